import Collectives
import Core
import Foundation
import Kernels

/// How many threads of a rank compute.
public enum ComputingThreads {
  /// Computing threads for this rank: those requested, or the CPUs this process may use, shared with the other ranks of
  /// the host where they are not bound apart.
  public static func count(_ wanted: Int, _ communicator: any Communicator) throws(ConfigurationError) -> Int {
    guard (0...1024).contains(wanted) else {
      throw ConfigurationError("--threads", is: wanted, rule: "it must lie in 0...1024.")
    }
    let (all, most) = (ProcessInfo.processInfo.processorCount, BLAS.identity.mostCallers)
    guard wanted <= most else {
      throw ConfigurationError(
        "--threads", is: wanted,
        rule:
          "this OpenBLAS serves at most \(most) threads of a process at the same time. Start more ranks with fewer threads each."
      )
    }
    let threads = wanted > 0 ? wanted : min(most, HostLimits.current.threads(ranks: communicator.localSize, all: all))
    try requireBuffers(threads)
    return threads
  }

  /// Refuses threads that OpenBLAS could not get memory for: it would try for ever at their first product.
  public static func requireBuffers(_ threads: Int) throws(ConfigurationError) {
    guard !BLAS.fits(threads: threads) else { return }
    throw ConfigurationError(
      "--threads", is: threads,
      rule:
        "OpenBLAS needs \(BLAS.bytesPerThread >> 20) MB of address space for each, and the system refuses that. \(HostLimits.current.refusal)"
    )
  }
}
