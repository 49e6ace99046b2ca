import ArgumentParser
import Benchmarks
import Collectives
import Core
import Foundation
import Kernels
import Storage

extension Benchmark {
  struct KernelsCommand: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "kernels",
      abstract:
        "Times the kernels of a step on one core, each beside its floor: the sgemm rate, or memcpy of as many bytes.",
      discussion: "Example: lockstep benchmark kernels --hidden-size 384 --num-heads 6")

    @Option(parsing: .unconditional, help: "Token ids.") var vocabSize = 8192
    @Option(parsing: .unconditional, help: "Positions per sample.") var maxPosition = 256
    @Option(parsing: .unconditional, help: "Hidden size.") var hiddenSize = 384
    @Option(parsing: .unconditional, help: "Attention heads.") var numHeads = 6
    @Option(parsing: .unconditional, help: "Samples per micro-batch.") var microBatch = 8
    @Flag(help: "One JSON array instead of a table.") var json = false

    func run() throws {
      for (name, value) in [
        ("--vocab-size", vocabSize), ("--max-position", maxPosition), ("--hidden-size", hiddenSize),
        ("--num-heads", numHeads), ("--micro-batch", microBatch),
      ] where !(1...1_000_000).contains(value) {
        throw ConfigurationError(name, is: "\(value)", rule: "it must lie in 1...1000000.")
      }
      guard hiddenSize % numHeads == 0 else {
        throw ConfigurationError("--hidden-size", is: "\(hiddenSize)", rule: "it must be a multiple of --num-heads.")
      }
      let results = KernelBenchmark(
        rows: microBatch * maxPosition, length: maxPosition, hiddenSize: hiddenSize, heads: numHeads,
        vocabulary: vocabSize
      ).run()
      if json { return try StandardOutput.line(prettyJSON(results)) }
      try StandardOutput.line("one core, OpenBLAS's \(BLAS.identity.coreName) kernels")
      var table = TextTable(["kernel", "shape", "time", "rate", "floor", "share"])
      for one in results {
        table.add([
          one.kernel, one.shape, String(format: "%.3f ms", 1000 * one.seconds),
          String(format: "%.1f %@", one.rate, one.unit), String(format: "%.1f of %@", one.floorRate, one.floor),
          String(format: "%.0f %%", 100 * one.rate / one.floorRate),
        ])
      }
      for line in table.lines { try StandardOutput.line(line) }
    }
  }
}
