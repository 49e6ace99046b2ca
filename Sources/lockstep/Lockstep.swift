import ArgumentParser
import Core
import Foundation

@main
struct Lockstep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lockstep",
    abstract: "Pretrains transformers with masked and autoregressive objectives on clusters of ordinary Linux machines.",
    subcommands: [Benchmark.self])
}
