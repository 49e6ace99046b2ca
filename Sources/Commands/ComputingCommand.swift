import ArgumentParser
import Audit
import Checkpoints
import Configuration
import Core
import Foundation
import Machine
import Runs
import Storage

/// A command that computes with OpenBLAS: its kernel is chosen before it runs.
protocol ComputingCommand: ParsableCommand {
  /// False where options make it compute nothing.
  var computes: Bool { get }
  /// Whether it warns once that its kernels are not the best; a command that reports on them is not.
  var hearsOfKernels: Bool { get }
  /// The resumed run, whose kernels it must use.
  var continuedRun: (core: String, folder: String)? { get }
}

extension ComputingCommand {
  var computes: Bool { true }
  var hearsOfKernels: Bool { true }
  var continuedRun: (core: String, folder: String)? { nil }

  /// Before MPI starts, because it may start the program anew.
  func chooseKernel() throws {
    guard computes else { return }
    let rank = startedRank()
    do {
      try MPIRequirements.check()
      try KernelStart.chooseKernel(run: { continuedRun }) { sentence in
        if rank == 0, hearsOfKernels { StandardError.write("warning: \(sentence)\n") }
      }
    } catch {
      // All ranks have the same error, and mpirun ends the others when the first one leaves.
      if rank > 0 { Thread.sleep(forTimeInterval: 0.5 + 0.1 * Double(min(rank, 20))) }
      throw error
    }
  }

}

/// This process's rank as its launcher sets it, for MPI has not started; 0 where nothing does.
func startedRank() -> Int {
  let environment = ProcessInfo.processInfo.environment
  return ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"].lazy.compactMap {
    environment[$0].flatMap { Int($0) }
  }.first ?? 0
}

/// A command that one process does: under mpirun the other ranks leave it to rank 0.
protocol SerialCommand: ParsableCommand {}

/// The run of a configuration, where it has checkpoints. What is wrong with the configuration is said by the command
/// that reads it.
func continuedRun(of config: String, settings: [String]) -> (core: String, folder: String)? {
  guard let text = try? ConfigurationFile.text(config),
    let configuration = try? RunConfiguration(toml: text, place: config, settings: settings),
    let core = RecordedKernel.newest(in: RunFolder(configuration.folder))
  else { return nil }
  return (core, configuration.folder)
}
