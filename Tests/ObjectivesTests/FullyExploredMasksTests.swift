import Core
import Layers
import Objectives
import TestSupport
import Testing

/// Partitions, and the cycles over them.
@Suite struct FullyExploredMasksTests {
  private func objective(_ change: (inout FullyExploredMasks.Options) -> Void = { _ in }) throws -> FullyExploredMasks {
    var options = FullyExploredMasks.Options()
    change(&options)
    return try FullyExploredMasks(options, model: MaskFixture.model, vocabulary: MaskFixture.vocabulary)
  }

  /// What is hidden at a visit of `samples` texts with `body` eligible positions, at another place of the stream each
  /// time.
  private func hidden(_ objective: FullyExploredMasks, visit: UInt64, samples: Int = 30, body: Int = 45) -> [[Int]] {
    let batch = MaskFixture.samples(samples, body: body, epochs: visit, from: visit * 1000)
    return MaskFixture.hidden(objective.corrupt(batch, MaskFixture.context), samples: samples, length: body + 2)
  }

  // MARK: - The partition

  @Test(arguments: MaskPartition.Assignment.allCases, [1, 5, 7, 20, 45])
  func setsCoverEverythingOnce(assignment: MaskPartition.Assignment, n: Int) {
    let eligible = (0..<n).map { 3 * $0 + 1 }
    for position in 0..<50 as Range<UInt64> {
      let random = CounterGenerator(seed: 9, purpose: .corruption, position: position)
      let sets = (0..<7).map { MaskPartition(sets: 7, assignment: assignment).members(of: $0, eligible, random) }
      #expect(sets.joined().sorted() == eligible)
      #expect(sets.allSatisfy { $0 == $0.sorted() && ($0.count == n / 7 || $0.count == (n + 6) / 7) })
    }
  }

  /// Blocks follow each other without a hole, but for the one around the end; strides are K apart; both begin anywhere.
  @Test func blocksAndStrides() {
    let eligible = Array(0..<21)
    var (blockStarts, strideStarts) = (Set<Int>(), Set<Int>())
    for position in 0..<400 as Range<UInt64> {
      let random = CounterGenerator(seed: 9, purpose: .corruption, position: position)
      let block = MaskPartition(sets: 7, assignment: .contiguous).members(of: 0, eligible, random)
      let gaps = zip(block, block.dropFirst()).map { $1 - $0 }
      #expect(
        block.count == 3 && gaps.filter { $0 != 1 }.count <= 1
          && (gaps.allSatisfy { $0 == 1 } || block.contains(0) && block.contains(20)))
      blockStarts.insert(block.first ?? -1)
      let strided = MaskPartition(sets: 7, assignment: .strided).members(of: 0, eligible, random)
      #expect(zip(strided, strided.dropFirst()).allSatisfy { $1 - $0 == 7 })
      strideStarts.insert(strided.first ?? -1)
    }
    #expect(blockStarts == Set(0...18) && strideStarts == Set(0...6))
  }

  // MARK: - Cycles

  /// Over K epochs every eligible position is hidden exactly once; over K epochs that begin inside a cycle it is not.
  @Test(arguments: MaskPartition.Assignment.allCases)
  func everyPositionOnceACycle(assignment: MaskPartition.Assignment) throws {
    let objective = try objective { $0.assign = assignment }
    for cycle in 0..<3 {
      let epochs = (0..<7).map { hidden(objective, visit: UInt64(7 * cycle + $0)) }
      for text in 0..<30 { #expect(epochs.flatMap { $0[text] }.sorted() == Array(1...45)) }
    }
    let across = (3..<10).map { hidden(objective, visit: UInt64($0)) }
    #expect((0..<30).contains { text in across.flatMap { $0[text] }.sorted() != Array(1...45) })
  }

  /// The division is a text's own, and drawn anew in every cycle.
  @Test func divisionsAreDrawnAnew() throws {
    let objective = try objective()
    let first = hidden(objective, visit: 0)
    #expect(first != hidden(objective, visit: 7) && Set(first).count > 25)
    // It depends on text, seed and visit, not on the place in the stream.
    var batch = MaskFixture.samples(30, body: 45)
    let here = objective.corrupt(batch, MaskFixture.context).targets[0].rows
    batch.sampleIDs = batch.sampleIDs.map { $0 + 12345 }
    #expect(objective.corrupt(batch, MaskFixture.context).targets[0].rows == here)
    #expect(objective.corrupt(batch, StepContext(seed: 2, step: 0, steps: 1)).targets[0].rows != here)
  }

  /// Each position is in the first set in its share: χ² with 41 degrees of freedom, 42 positions in sets of six, less
  /// by 6/7.
  @Test func setsAreEven() throws {
    let all = hidden(try objective(), visit: 0, samples: 7000, body: 42)
    #expect(all.allSatisfy { $0.count == 6 })
    let hits = all.joined().reduce(into: [Int](repeating: 0, count: 44)) { $0[$1] += 1 }
    let statistic = MaskFixture.evenness(hits[1...42])
    #expect(hits[0] == 0 && hits[43] == 0 && statistic > 15 && statistic < 75)
  }

  // MARK: - Weights

  /// 45 positions in seven sets: three of seven and four of six.
  @Test func weights() throws {
    for visit in 0..<7 as Range<UInt64> {
      let batch = MaskFixture.samples(10, body: 45, epochs: visit)
      let token = try objective().corrupt(batch, MaskFixture.context).targets[0]
      #expect(token.weights.allSatisfy { $0 == 1 } && token.count == (visit < 3 ? 70 : 60))
      let set = try objective { $0.lossNormalization = .set }.corrupt(batch, MaskFixture.context).targets[0]
      #expect(
        set.weights.allSatisfy { $0 == 1 / Float(visit < 3 ? 7 : 6) } && set.count == 10 && set.rows == token.rows)
    }
    // Fewer positions than sets: empty sets have no targets, and are no part of the mean.
    let last = try objective { $0.lossNormalization = .set }.corrupt(
      MaskFixture.samples(10, body: 3, epochs: 5), MaskFixture.context
    ).targets[0]
    #expect(last.rows.isEmpty && last.count == 0)
  }

  // MARK: - Placements

  @Test func placementsAskForRepeatedTexts() throws {
    #expect(try objective().requirements.repetition == .none)
    #expect(try objective { $0.placement = .step }.requirements.repetition.layout == .rows)
    let batch = try objective { ($0.placement, $0.sets) = (.batch, 4) }.requirements.repetition
    #expect(batch.layout == .microBatches && batch.times == 4)
  }

  @Test func errors() {
    #expect {
      _ = try objective { ($0.sets, $0.maskReplaceProb) = (1, 1.5) }
    } throws: {
      "\($0)" == """
        objective.sets is 1; it must lie in 2...100.
        objective.mask_replace_prob is 1.5; it must lie in 0.0...1.0.
        objective.random_replace_prob and mask_replace_prob add up to 1.6; together they must not exceed 1.
        """
    }
  }
}
