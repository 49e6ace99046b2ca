import ArgumentParser
import Collectives
import Comparison
import Configuration
import Core
import Foundation
import Kernels
import Machine
import Runs
import Storage

struct Train: ComputingCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains a model; resumes from the newest checkpoint of its run folder.",
    discussion: """
      Example: mpirun -n 2 lockstep train configs/quickstart.toml --set duration.steps=500 --set machine.log_steps=1

      The run folder is machine.runs/name. The same command again resumes, on any number of ranks, with the same bits. \
      SIGUSR1, SIGHUP (a terminal that is closed), and Ctrl-C without mpirun or under launch/run, save a checkpoint and end with exit code 75.
      """)

  @Argument(help: "The configuration, a TOML file.") var config: String?
  @Option(
    name: .customLong("set"), parsing: .unconditionalSingleValue,
    help: "Overrides a key: --set optimizer.learning_rate=3e-4. May be repeated.") var settings: [String] = []
  @Option(parsing: .unconditional, help: "Computing threads per rank; 0 takes the CPUs this rank may use.") var threads:
    Int?
  @Flag(help: "Only print the run's folder.") var printFolder = false
  @Flag(help: "Only print every key of a configuration with its default, range and meaning: docs/configuration.md.")
  var keys = false
  @Flag(help: "Only report what the run would need: parameters, memory, disk, time.") var dryRun = false
  @Flag(help: "Resume although this machine or build computes other bits than the run did so far.")
  var acceptArithmetic = false

  var computes: Bool { !printFolder && !keys }
  var continuedRun: (core: String, folder: String)? {
    config.flatMap { Commands.continuedRun(of: $0, settings: settings) }
  }

  func run() throws {
    if keys { return try StandardOutput.write(Keys.markdown()) }
    guard let config else {
      throw ConfigurationError("CONFIG", "is missing; name a configuration, such as configs/quickstart.toml.")
    }
    if printFolder || dryRun { StopRequest.remove() } else { StopRequest.install() }
    if printFolder {
      return try StandardOutput.line(
        RunConfiguration(toml: try ConfigurationFile.text(config), place: config, settings: settings).folder)
    }
    try Job.run(.withoutSettings) { communicator in
      BLAS.useOneThread()
      let configuration = try ConfigurationFile.read(config, settings: settings, communicator)
      try communicator.exchangeHostNames()
      // Before the first step a rank may read a large corpus while the others wait.
      communicator.stallSeconds = configuration.machine.stallSeconds > 0 ? 10 * configuration.machine.stallSeconds : nil
      let threads = try Job.collectively(communicator) {
        try ComputingThreads.count(self.threads ?? configuration.machine.threads, communicator)
      }
      if communicator.rank == 0, let sentence = try CorpusInputs.uncheckedTokens(configuration) {
        StandardError.write("warning: \(sentence)\n")
      }
      if communicator.rank == 0, !configuration.takenFromInitial.isEmpty {
        StandardError.write(
          "model from \(configuration.initFrom): \(configuration.takenFromInitial.joined(separator: ", "))\n")
      }
      if dryRun { return try DryRun(configuration, communicator, threads: threads).print() }
      let inputs = try Job.collectively(communicator) {
        // One rank per host reads all of the corpus once: a flipped bit would train on silently.
        let inputs = try CorpusInputs.open(configuration, verify: communicator.localRank == 0)
        try RunPlan(configuration, inputs, ranks: communicator.size, threads: threads).requireMemory(
          .current, ranksHere: communicator.localSize, savesHere: communicator.rank == 0)
        return inputs
      }
      // All ranks come here or none: the trainer's memory is shared between them.
      let run = try Job.collectively(communicator) {
        try TrainingRun(
          configuration, inputs, communicator: communicator, threads: threads,
          .init(command: CommandLine.arguments, version: Version.number, acceptArithmetic: acceptArithmetic))
      }
      let ending = try run.execute()
      try report(ending, run, communicator)
    }
  }

  private func report(_ ending: RunEnding, _ run: TrainingRun, _ communicator: any Communicator) throws {
    let folder = printableName(run.configuration.folder)
    let line: String
    switch ending {
    case .finished(let step): line = "finished \(counted(step, "step")); checkpoint and curve are in \(folder)"
    case .alreadyFinished(let step):
      line =
        step == run.steps
        ? "\(folder) has finished its \(counted(step, "step")); raise duration to resume from there"
        : "\(folder) is at step \(step), past the \(counted(run.steps, "step")) that duration sets; raise it to resume from there"
    case .stopped(let step):
      line = "stopped on request after step \(step), saved in \(folder); run the same command again to resume"
    }
    if communicator.rank == 0 { StandardError.write(line + "\n") }
    if case .stopped = ending { throw Failure.Reported(code: .again) }
  }
}
