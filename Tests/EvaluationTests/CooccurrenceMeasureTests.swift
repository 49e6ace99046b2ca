import Core
@testable import Evaluation
import Objectives
import Testing

@Suite struct CooccurrenceMeasureTests {
  private func scheme(_ contextTargetPairs: ContextTargetPairs, window: Int = 16) throws -> PairScheme {
    var options = CooccurrenceMeasure.Options()
    options.window = window
    return try CooccurrenceMeasure(options).scheme(contextTargetPairs)
  }

  private func contextTargetPairs(_ name: String, _ options: (any ObjectiveOptions)? = nil) throws
    -> ContextTargetPairs?
  {
    let entry = try #require(ObjectiveRegistry.entry(named: name))
    return entry.requirements(options ?? entry.defaultOptions).contextTargetPairs
  }

  @Test func objectivesSayWhatTheyLink() throws {
    #expect(try contextTargetPairs("ar") == .ahead(offsets: 1, distribution: .uniform))
    #expect(try contextTargetPairs("meap") == .ahead(offsets: 1, distribution: .uniform))
    var diverse = DiverseAutoregressive.Options()
    (diverse.offsets, diverse.offsetDistribution) = (3, .inverse)
    #expect(try contextTargetPairs("ar-diverse", diverse) == .ahead(offsets: 3, distribution: .inverse))
    #expect(try contextTargetPairs("mlm") == .masked(share: 0.15...0.15))
    var falling = MaskedLanguageModel.Options()
    (falling.ratioSchedule, falling.maskRatio, falling.finalMaskRatio) = (.linear, 0.4, 0.1)
    #expect(try contextTargetPairs("mlm", falling) == .masked(share: 0.1...0.4))
    var words = MaskedLanguageModel.Options()
    words.wholeWordMask = true
    #expect(try contextTargetPairs("mlm", words) == nil)
    (words.wholeWordMask, words.spans) = (false, .fixed)
    #expect(try contextTargetPairs("mlm", words) == nil)
    #expect(try contextTargetPairs("mlm-explored") == .masked(share: (1 / 7.0)...(1 / 7.0)))
    #expect(try contextTargetPairs("mlm-varlen") == .masked(share: 0...1))
    var varied = VariableLengthMasks.Options()
    (varied.maskCountDistribution, varied.lowRatio, varied.highRatio) = (.uniformRatio, 0.2, 0.6)
    #expect(try contextTargetPairs("mlm-varlen", varied) == .masked(share: 0.2...0.6))
    varied.maskingStrategy = .mix
    #expect(try contextTargetPairs("mlm-varlen", varied) == nil)
    // Replaced-token detection, or sets without order, have no pairs in windows of text.
    for name in ["electra", "electric", "mpp"] { #expect(try contextTargetPairs(name) == nil) }
  }

  @Test func sharesAreNumbersOfTheWindow() throws {
    #expect(try scheme(.ahead(offsets: 4, distribution: .inverse)) == .ahead(offsets: 4, distribution: .inverse))
    #expect(try scheme(.masked(share: 0.15...0.15)) == .masked(hidden: 2))
    #expect(try scheme(.masked(share: 0.01...0.01)) == .masked(hidden: 1))
    #expect(try scheme(.masked(share: 0...1)) == .maskedEvenly(lowest: 1, highest: 15))
    #expect(try scheme(.masked(share: 0.9...1), window: 4) == .masked(hidden: 3))
    #expect { _ = try scheme(.ahead(offsets: 8, distribution: .uniform), window: 8) } throws: {
      "\($0)" == "measures.cooccurrence.window is 8; for an objective that looks 8 tokens ahead it must be larger."
    }
  }

  @Test func errorsNameTheOption() {
    var options = CooccurrenceMeasure.Options()
    (options.window, options.pairs, options.maxTokens) = (1, 0, 0)
    #expect { try CooccurrenceMeasure(options) } throws: {
      "\($0)"
        == "measures.cooccurrence.window is 1; it must lie in 2...1024.\nmeasures.cooccurrence.pairs is 0; it must lie in 1...1000000000.\nmeasures.cooccurrence.max_tokens is 0; it must be at least 1."
    }
  }
}
