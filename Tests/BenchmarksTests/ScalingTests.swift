import Benchmarks
import Core
import Foundation
import Testing

@Suite struct ScalingTests {
  private func result(_ layout: JobLayout, batch: Int, seconds: Double, sgemm: Double) -> StepBenchmarkResult {
    let text = """
      {"params":1,"ranks":\(layout.ranks),"threads":\(layout.threads),"objective":"ar","tokens_per_s":\(Double(batch) / seconds),
      "unit":"tokens","step_s_median":\(seconds),"step_s_min":1,"step_s_max":1,"kernel":"k","best_kernel":"k",
      "sgemm_gflops":\(sgemm),"best_sgemm_gflops":1,"mfu":1,"comm_s":0.6,"exposed_comm_s":0.5,"peak_rss_bytes":1,"workspace_bytes":1,
      "allowed_rss_bytes":1,"steps":1,"batch":\(batch),"micro_batch":4,"context":1,"phases":{}}
      """
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let value = try? decoder.decode(StepBenchmarkResult.self, from: Data(text.utf8)) else {
      preconditionFailure("not a result: \(text)")
    }
    return value
  }

  /// Efficiency is speed per worker over that of the first layout; the machine's share of the loss is what sgemm loses.
  @Test func efficiencies() throws {
    let layouts = [JobLayout(ranks: 1, threads: 1), JobLayout(ranks: 2, threads: 1)]
    var benchmark = ScalingBenchmark(layouts, microBatch: 4)
    benchmark.repeats = 3
    var jobs: [String] = []
    let rows = try benchmark.run { layout, batch in
      jobs.append("\(layout) \(batch)")
      // Weak: 10 % slower on two. Strong: 1.6 times faster. One of three is disturbed.
      let seconds = layout.ranks == 1 ? Double(batch) / 4 : batch == 8 ? 1.1 : 9
      return result(layout, batch: batch, seconds: jobs.count == 1 ? 50 : seconds, sgemm: layout.ranks == 1 ? 100 : 190)
    }
    #expect(jobs.prefix(4) == ["1x1 4", "2x1 8", "1x1 8", "2x1 8"] && jobs.count == 12)
    #expect(rows.map(\.scaling) == ["weak", "weak", "strong", "strong"])
    #expect(rows[0].efficiency == 1 && rows[0].stepS == 1)
    #expect(abs(rows[1].efficiency - 1 / 1.1) < 1e-12 && abs(rows[1].machineEfficiency - 0.95) < 1e-12)
    #expect(abs(rows[1].correctedEfficiency - 1 / 1.1 / 0.95) < 1e-12)
    #expect(abs(rows[3].efficiency - 2 / 1.1 / 2) < 1e-12)
    let svg = ScalingResult(machine: [:], options: [:], repeats: 3, rows: rows).svg
    #expect(svg.contains("weak scaling") && svg.components(separatedBy: "<circle").count == 1 + 4 + 2)
  }

  @Test(arguments: ["", "2", "2x", "0x1", "2x-1", "1x1x1", "ax1"])
  func refusesLayouts(text: String) { #expect(JobLayout(text) == nil) }

  @Test func readsLayouts() { #expect(JobLayout("2x16") == JobLayout(ranks: 2, threads: 16)) }
}
