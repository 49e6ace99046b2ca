import Collectives
import Core
import Foundation
import Kernels
import Storage

/// Single-precision products of all ranks together, in flops per second: with the kernels that run, and with the best
/// ones of the CPUs. Shares of a machine's rate (MFU) are of the best, so that poor kernels do not look good.
public struct MachineRate: Codable, Sendable, Equatable {
  public var running: Double
  public var best: Double

  /// Measures both; the best kernels in a process of their own, on one rank of a host. Collective.
  ///
  /// - Parameter running: this rank's rate; measured when nil.
  public static func measure(
    _ pool: WorkerPool, over communicator: any Communicator, running: Double? = nil, seconds: Double = 0.2
  ) throws -> MachineRate {
    let mine = running ?? SGEMMBaseline.sgemm(pool, seconds: seconds)
    let total = try communicator.sum(mine)
    guard try communicator.maximum(ComputeKernel.current.isBest ? 0 : 1) > 0 else {
      return MachineRate(running: total, best: total)
    }
    var best = 0.0
    if communicator.localRank == 0 {
      let rate = ComputeKernel.current.isBest ? mine : measureBest(threads: pool.threads, seconds: seconds) ?? mine
      best = rate * Double(communicator.localSize)
    }
    return MachineRate(running: total, best: max(total, try communicator.sum(best)))
  }

  /// The rate of this CPU's best kernels with so many threads, by a start of this program; nil where it cannot be had.
  static func measureBest(threads: Int, seconds: Double) -> Double? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe")
    process.arguments = ["benchmark", "products", "--threads", "\(threads)", "--seconds", "\(seconds)"]
    // No rank of the job: what mpirun or srun set for this process is not for that one.
    var environment = ProcessInfo.processInfo.environment.filter { key, _ in
      !["OMPI_", "PMIX_", "PMI_", "SLURM_"].contains { key.hasPrefix($0) } && key != StartNote.variable
    }
    environment[StartNote.coreVariable] = ComputeKernel.current.best
    process.environment = environment
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0, let rate = Double(text.trimmingCharacters(in: .whitespacesAndNewlines)),
      rate > 0
    else { return nil }
    return rate
  }
}
