@testable import Audit
import Core
import RunSupport
import Testing
import Tokenizers

@Suite("A micro-batch as the networks see it")
struct BatchInspectionTests {
  private func view(_ run: RunFixture, step: Int, microBatch: Int = 0) throws -> BatchView {
    let inspection = try BatchInspection(try PastRun(run.folder), try run.configuration(), run.inputs, ByteTokenizer())
    return try inspection(step: step, microBatch: microBatch) { _ in }
  }

  @Test("next-token prediction has as every row's target the token that the next row reads")
  func causal() throws {
    let run = try RunFixture()
    defer { run.remove() }
    try run.train(steps: 4)
    let view = try view(run, step: 3, microBatch: 2)
    let replayed = try run.replay(3).microBatches[2].samples
    #expect(
      view.samples.map(\.position) == replayed.map(\.position) && view.samples.map(\.index) == replayed.map(\.index))
    for sample in view.samples {
      for (row, next) in zip(sample.rows, sample.rows.dropFirst()) where next.reads[0]?.seesFrom == 0 {
        #expect(row.targets.map(\.token?.id) == [next.reads[0]?.token?.id])
      }
      for (index, row) in sample.rows.enumerated() { #expect(row.reads[0]?.seesUntil == Int32(index + 1)) }
    }
  }

  @Test("proposals are those of the step, which its losses show bit for bit")
  func proposals() throws {
    var run = try RunFixture()
    defer { run.remove() }
    run.settings = ["objective.name=electra", "objective.mask_ratio=0.5", "machine.checkpoint_steps=4"]
    try run.train(steps: 8)
    for step in [1, 5] {
      let replayed = try run.replay(step).microBatches
      for index in replayed.indices {
        let view = try view(run, step: step, microBatch: index)
        #expect(view.losses?.map(\.bitPattern) == replayed[index].losses.map(\.bitPattern))
        #expect(view.note == nil)
        // Only where the generator has a target.
        for row in view.samples.flatMap(\.rows) where row.proposed != nil {
          #expect(row.targets.contains { $0.term == 0 })
        }
        #expect(view.samples.flatMap(\.rows).contains { $0.proposed != nil })
      }
    }
    let other = try view(run, step: 3)
    #expect(other.losses == nil && other.note?.hasSuffix(": 1, 5, 9") != true && other.note?.contains("1, 5") == true)
  }

  @Test("a step or a micro-batch that is none of the run's is named with those there are")
  func outOfRange() throws {
    let run = try RunFixture()
    defer { run.remove() }
    try run.train(steps: 4)
    let step = #expect(throws: ConfigurationError.self) { try view(run, step: 13) }
    #expect(step?.description == "--batch is 13; the run has steps 1...12.")
    let micro = #expect(throws: ConfigurationError.self) { try view(run, step: 1, microBatch: 3) }
    #expect(micro?.description == "--micro-batch is 3; a step of this run has micro-batches 0...2.")
  }
}
