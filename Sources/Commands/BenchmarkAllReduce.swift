import ArgumentParser
import Benchmarks
import Collectives
import Core
import Foundation
import Runs
import Storage

extension Benchmark {
  struct AllReduceCommand: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "all-reduce",
      abstract:
        "Times the sum of a gradient over ranks: exact in the memory of a node, exact by messages, and MPI_Allreduce of floats, alternately.",
      discussion: "Example: mpirun -n 2 lockstep benchmark all-reduce --megabytes 4,64")

    @Option(parsing: .unconditional, help: "Sizes of the gradient as floats, in MB, with commas.") var megabytes =
      "1,4,16,64"
    @Option(parsing: .unconditional, help: "Times each way is measured.") var repeats = 11
    @Option(parsing: .unconditional, help: "Size of a bucket of integers, in MiB.") var bucketMegabytes = 4.0
    @Flag(help: "One JSON array instead of a table.") var json = false

    func run() throws {
      try Job.run { communicator in
        let counts = try Job.collectively(communicator) { try sizes() }
        var benchmark = AllReduceBenchmark()
        (benchmark.repeats, benchmark.bucketBytes) = (repeats, Int(bucketMegabytes * 1_048_576))
        let results = try counts.map { try benchmark.run(count: $0, communicator) }
        guard communicator.rank == 0 else { return }
        if json { try StandardOutput.line(prettyJSON(results)) } else { try show(results, communicator) }
      }
    }

    private func sizes() throws -> [Int] {
      guard (1...1000).contains(repeats) else {
        throw ConfigurationError("--repeats", is: "\(repeats)", rule: "it must lie in 1...1000.")
      }
      guard (0.001...1024).contains(bucketMegabytes) else {
        throw ConfigurationError("--bucket-megabytes", is: "\(bucketMegabytes)", rule: "it must lie in 0.001...1024.")
      }
      let sizes = megabytes.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
      guard sizes.allSatisfy({ $0.map { (0.001...4000).contains($0) } ?? false }) else {
        throw ConfigurationError(
          "--megabytes", is: megabytes, rule: "it must be numbers of 0.001...4000 with commas, such as 4,64.")
      }
      return sizes.compactMap { $0.map { max(Int($0 * 250_000), 1) } }
    }

    private func show(_ results: [AllReduceResult], _ communicator: any Communicator) throws {
      try StandardOutput.line("\(counted(communicator.size, "rank")), median of \(counted(repeats, "time"))")
      var table = TextTable(["gradient", "shared memory", "messages", "MPI_Allreduce", "ratio"])
      for one in results {
        let best = one.sharedS ?? one.messagesS
        table.add([
          String(format: "%g MB", one.megabytes), one.sharedS.map { String(format: "%.2f ms", 1000 * $0) } ?? "–",
          String(format: "%.2f ms", 1000 * one.messagesS), String(format: "%.2f ms", 1000 * one.mpiAllreduceS),
          String(format: "%.2f", one.mpiAllreduceS / best),
        ])
      }
      for line in table.lines { try StandardOutput.line(line) }
    }
  }
}
