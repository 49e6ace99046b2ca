import Core
import Data
import Foundation
import Objectives
@testable import Runs
import Testing

@Suite struct TokenFrequencyTests {
  private let vocabulary = Vocabulary(size: 8, mask: 7, cls: 5, sep: 6, special: [5, 6, 7])

  /// Half of the tokens are 0, a quarter 1, the rest 2 and 3.
  private func source() throws -> InMemoryDataset {
    try InMemoryDataset(
      documents: [(0..<4096).map { [0, 1, 0, 2, 0, 1, 0, 3][$0 % 8] }], vocabulary: vocabulary, context: 16,
      lookahead: 1)
  }

  private func objective(_ name: String, initializerRange: Float = 0.02) throws -> any Objective {
    let entry = try #require(ObjectiveRegistry.entry(named: name))
    var model: ModelConfiguration =
      entry.defaultRequirements.attentionMask == .causal
      ? .gpt2(vocabSize: 8, maxPosition: 16, hiddenSize: 16, numLayers: 1, numHeads: 2)
      : .bert(vocabSize: 8, maxPosition: 16, hiddenSize: 16, numLayers: 1, numHeads: 2)
    model.initializerRange = initializerRange
    return try entry.make(entry.defaultOptions, model, DataShape(vocabulary))
  }

  /// The entropy is that of the targets, whichever objective has them: no objective is named in the code.
  @Test(arguments: ["ar", "mlm", "mlm-varlen", "mlm-explored", "meap", "ar-diverse", "electra", "electric"])
  func theEntropyIsThatOfTheTargets(name: String) throws {
    let found = try #require(try TokenFrequencies(objective(name), try source(), samples: 0, seed: 1))
    // H(1/2, 1/4, 1/8, 1/8) = 1.75 bits.
    #expect(abs(found.entropy - 1.75 * log(2)) < 0.05, "\(found.entropy)")
    #expect(found.windows == 256 && found.term == 0)
    #expect(found.announcement.contains("guessing gives 2.0794") && found.announcement.contains("256 windows"))
  }

  @Test func theRemarkComesRarelyAndOnlyOnThePlateau() throws {
    var found = try #require(try TokenFrequencies(objective("mlm"), try source(), samples: 0, seed: 1))
    #expect(found.remark(step: 50, losses: [1.3]) == nil)
    #expect(found.remark(step: 100, losses: [0.9]) == nil)
    let sentence = found.remark(step: 110, losses: [1.3]) ?? ""
    #expect(
      sentence.hasPrefix(
        "still at the frequencies of single tokens after 110 steps: the loss of mlm is 1.3000, their entropy 1."))
    #expect(
      sentence.contains(
        "If it stays there, set model.initializer_range to 0.25 (it is 0.02), or set model.position_embedding to rotary, or give it more steps;"
      ))
    #expect(found.remark(step: 200, losses: [1.3]) == nil)
    #expect(found.remark(step: 220, losses: [1.3]) != nil)
    var wide = try #require(
      try TokenFrequencies(objective("mlm", initializerRange: 0.25), try source(), samples: 0, seed: 1))
    #expect(
      wide.remark(step: 100, losses: [1.3])?.contains(
        "If it stays there, set model.position_embedding to rotary, or give it more steps;") == true)
  }

  @Test func countsAgreeWithTheirNouns() {
    #expect(
      counted(1, "step") == "1 step" && counted(0, "step") == "0 steps" && counted(2, "batch", "batches") == "2 batches"
    )
  }
}
