import Core
import Foundation
import Kernels
import Machine

extension RunPlan {
  /// Refuses a run that this host, a control group or a limit of the shell has no memory for.
  ///
  /// - Parameters:
  ///   - savesHere: rank 0 is on this host, and keeps the checkpoint it is writing in memory.
  /// - Throws: `ConfigurationError` with both figures.
  public func requireMemory(_ limits: HostLimits, ranksHere: Int, savesHere: Bool) throws(ConfigurationError) {
    let needed = memoryBytes * ranksHere + (savesHere ? checkpointBytes : 0)
    if let available = limits.availableBytes, needed > available {
      throw ConfigurationError(
        "the run",
        String(
          format:
            "needs %.1f GB on this host (%d rank%@ of %.1f GB), and %.1f GB are available of %@. Make the model or batch.micro_batch smaller, or use fewer threads.",
          Double(needed) / 1e9, ranksHere, ranksHere == 1 ? "" : "s", Double(memoryBytes) / 1e9,
          Double(available) / 1e9, limits.memoryOwner))
    }
    let addresses = addressBytes + (savesHere ? checkpointBytes : 0)
    if let available = limits.addressBytes, addresses > available {
      throw ConfigurationError(
        "the run",
        String(
          format:
            "needs %.1f GB of address space per rank with %d thread%@ (OpenBLAS alone takes %d MB per thread), and %@ leaves %.1f GB: raise it (%@ unlimited), or ask the scheduler for more memory.",
          Double(addresses) / 1e9, threads, threads == 1 ? "" : "s", BLAS.bytesPerThread / 1_000_000,
          limits.addressLimit, Double(available) / 1e9,
          limits.addressLimit))
    }
  }

  /// Address space of a rank: its memory, what OpenBLAS takes for each thread whether it uses it or not, and stacks.
  var addressBytes: Int { memoryBytes + threads * (BLAS.bytesPerThread + 8 << 20) }
}
