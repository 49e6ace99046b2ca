import ArgumentParser
import Comparison
import Core
import Foundation
import Objectives
import Runs
import Storage

/// The program. Everything that goes wrong anywhere becomes one sentence and one exit code here, and nowhere else.
public struct LockstepCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract:
      "Pretrains transformers with masked and autoregressive objectives on clusters of ordinary Linux machines.",
    discussion: """
      Under mpirun every command that computes uses all ranks; without it, one. Exit codes: 0 done, 2 usage or configuration, \
      3 data, 4 replicas or a replay diverged, 5 input or output failed, 6 a gradient is not finite, 7 a rank stalled, 8 another process \
      holds the run folder, 75 stopped on request \
      with a checkpoint: run the same command again, 141 the reader closed the output.

      Example: lockstep prepare --input book.txt --output corpora/book --validation-tail 0.1 && mpirun -n 2 lockstep train configs/quickstart.toml
      """,
    subcommands: [
      Prepare.self, Train.self, Evaluate.self, Compare.self, Generate.self, Fill.self, Embed.self, Inspect.self,
      Replay.self, Export.self, Objectives.self, Plan.self, Benchmark.self,
      Doctor.self,
    ])

  @Flag(name: .long, help: "Print the version with those of BLAS and MPI.") var version = false

  public init() {}

  public func run() throws {
    if version { return try StandardOutput.line(Version.text) }
    throw CleanExit.helpRequest(self)
  }

  /// A `String` cannot hold other bytes: a path would become that of another file.
  private static func requireUTF8() throws(ConfigurationError) {
    for index in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = CommandLine.unsafeArgv[index], String(validatingCString: argument) == nil else { continue }
      throw ConfigurationError(
        "argument \(index)", is: readableName(Array(UnsafeRawBufferPointer(start: argument, count: strlen(argument)))),
        rule: "it is not UTF-8. Rename the file, name the folder it lies in, or reach it through a link.")
    }
  }

  /// Parses the arguments of the process and runs the command they name.
  ///
  /// - Parameter objectives: objectives beside those of the registry, such as those of tests.
  public static func main(objectives: [ObjectiveEntry]) {
    ObjectiveRegistry.register(objectives)
    main()
  }

  public static func main() {
    do {
      try requireUTF8()
      var command = try parseAsRoot()
      if command is any SerialCommand, startedRank() > 0 { Foundation.exit(0) }
      try (command as? any ComputingCommand)?.chooseKernel()
      try command.run()
    } catch {
      Failure.end(error)
    }
  }
}
