import Core
import Layers
import Objectives
import TestSupport
import Testing

/// Schedules of the ratio, whole words and spans under `mlm`.
@Suite struct MaskShapeTests {
  /// Even ids from 4 on open a word, odd ones go on with it.
  private static let words = WordEdges(
    opensInside: (0..<50).map { $0 >= 4 && $0 % 2 == 1 }, closesInside: [Bool](repeating: true, count: 50))

  private func objective(words: WordEdges? = nil, _ change: (inout MaskedLanguageModel.Options) -> Void) throws
    -> MaskedLanguageModel
  {
    var (options, vocabulary) = (MaskedLanguageModel.Options(), MaskFixture.vocabulary)
    change(&options)
    vocabulary.words = words
    return try MaskedLanguageModel(options, model: MaskFixture.model, vocabulary: vocabulary)
  }

  private func hidden(
    _ objective: MaskedLanguageModel, _ batch: SampleBatch, _ context: StepContext = MaskFixture.context
  ) -> [[Int]] {
    MaskFixture.hidden(objective.corrupt(batch, context), samples: batch.count, length: batch.length)
  }

  // MARK: - Schedules

  @Test func ratioGoesInAStraightLineAndEvaluatesAtItsEnd() throws {
    let objective = try objective { ($0.maskRatio, $0.finalMaskRatio, $0.ratioSchedule) = (0.3, 0.1, .linear) }
    func count(_ context: StepContext) -> Int { hidden(objective, MaskFixture.samples(1, body: 100), context)[0].count }
    #expect([0, 5, 10].map { count(StepContext(seed: 1, step: $0, steps: 10)) } == [30, 20, 10])
    #expect(count(MaskFixture.evaluation) == 10)
    // A constant ratio has no use for the end.
    let constant = try self.objective { ($0.maskRatio, $0.finalMaskRatio) = (0.3, 0.1) }
    #expect(
      hidden(constant, MaskFixture.samples(1, body: 100), StepContext(seed: 1, step: 9, steps: 10))[0].count == 30)
    #expect(hidden(constant, MaskFixture.samples(1, body: 100), MaskFixture.evaluation)[0].count == 30)
  }

  // MARK: - Words

  /// Words of 1 to 4 tokens, in two documents; the second begins with a token that would otherwise go on with a word.
  private func wordBatch(_ samples: Int) -> (batch: SampleBatch, words: [Set<Int>]) {
    let lengths = [1, 3, 2, 4, 1, 2, 3, 1, 4, 2, 1, 1, 3, 2, 4, 2, 1, 3]
    var (tokens, words, at): ([Int32], [Set<Int>], Int) = ([2], [], 1)
    for (number, length) in lengths.enumerated() {
      let opens = Int32(number == 9 ? 5 : 4 + 2 * (number % 20))
      tokens += [opens] + (1..<length).map { Int32(5 + 2 * $0) }
      words.append(Set(at..<at + length))
      at += length
    }
    tokens.append(3)
    let second = words[9].min() ?? 0
    let documentIDs = tokens.indices.map { Int32($0 >= second ? 1 : 0) }
    let batch = SampleBatch(
      sampleIDs: (0..<UInt64(samples)).map { $0 }, length: tokens.count, lookahead: 0,
      tokens: (0..<samples).flatMap { _ in tokens },
      documentIDs: (0..<samples).flatMap { _ in documentIDs })
    return (batch, words)
  }

  /// 40 tokens in 18 words at 0.25: at most 10 positions, and no word left that would still fit.
  @Test func wordsAreHiddenWhole() throws {
    let (batch, words) = wordBatch(400)
    let objective = try objective(words: Self.words) {
      ($0.wholeWordMask, $0.maskRatio, $0.randomReplaceProb) = (true, 0.25, 0)
    }
    var hits = [Int](repeating: 0, count: words.count)
    for chosen in hidden(objective, batch).map(Set.init) {
      for (number, word) in words.enumerated() where !chosen.isDisjoint(with: word) {
        #expect(word.isSubset(of: chosen), "word \(number) is hidden in part")
        hits[number] += 1
      }
      #expect(chosen.count <= 10 && words.allSatisfy { $0.isSubset(of: chosen) || $0.count > 10 - chosen.count })
    }
    #expect(hits.allSatisfy { $0 > 20 })
  }

  /// A word longer than the count is left out, and a sample of nothing else hides one of them.
  @Test func wordsThatDoNotFit() throws {
    let objective = try objective(words: Self.words) { ($0.wholeWordMask, $0.maskRatio) = (true, 0.2) }
    // Two positions of ten: a word of four, one of three, three of one.
    let tokens: [Int32] = [4, 5, 7, 9, 6, 5, 7, 8, 10, 12]
    let batch = SampleBatch(
      sampleIDs: (0..<50).map { UInt64($0) }, length: 10, lookahead: 0, tokens: (0..<50).flatMap { _ in tokens },
      documentIDs: [Int32](repeating: 0, count: 500))
    #expect(hidden(objective, batch).allSatisfy { $0.count == 2 && $0.allSatisfy { $0 >= 7 } })
    let single = SampleBatch(
      sampleIDs: [7], length: 6, lookahead: 0, tokens: [4, 5, 7, 4, 5, 7], documentIDs: [0, 0, 0, 0, 0, 0])
    #expect([[0, 1, 2], [3, 4, 5]].contains(hidden(objective, single)[0]))
  }

  @Test func wordsNeedATokeniserThatKnowsThem() {
    #expect {
      _ = try objective { $0.wholeWordMask = true }
    } throws: {
      "\($0)"
        == "objective.whole_word_mask is true, but where words begin is not known; open a corpus with its tokeniser, or set it to false."
    }
  }

  // MARK: - Spans

  /// P(ℓ) ∝ 0.2 · 0.8^(ℓ − 1), ℓ ≤ 10: the mean is that of SpanBERT, 3.8; χ² with 9 degrees of freedom exceeds 34 with
  /// probability 1e-4.
  @Test func geometricLengths() {
    let (lengths, n) = (SpanLengths.geometric(0.2, longest: 10), 100_000)
    let random = CounterGenerator(seed: 4, purpose: .corruption)
    var counts = [Int](repeating: 0, count: 11)
    for draw in 0..<n { counts[lengths.length(random.uniformDouble(draw))] += 1 }
    #expect(counts[0] == 0)
    var (weight, weights) = (0.2, [Double]())
    for _ in 1...10 { weights.append(weight); weight *= 0.8 }
    let total = weights.reduce(0, +)
    let statistic = zip(counts[1...], weights).reduce(0.0) { sum, cell in
      let expected = Double(n) * cell.1 / total
      return sum + (Double(cell.0) - expected) * (Double(cell.0) - expected) / expected
    }
    #expect(statistic < 34)
    let mean = counts.enumerated().reduce(0.0) { $0 + Double($1.offset * $1.element) } / Double(n)
    #expect(abs(mean - 3.797) < 0.03)
    #expect((0..<100).allSatisfy { SpanLengths.fixed(4).length(Double($0) / 100) == 4 })
  }

  private func runs(_ positions: [Int]) -> [Int] {
    positions.indices.reduce(into: [Int]()) { runs, k in
      if k > 0, positions[k] == positions[k - 1] + 1 { runs[runs.count - 1] += 1 } else { runs.append(1) }
    }
  }

  @Test(arguments: [MaskedLanguageModel.Spans.geometric, .fixed])
  func spansHideExactlyTheCount(spans: MaskedLanguageModel.Spans) throws {
    let objective = try objective { ($0.spans, $0.spanLength, $0.maskRatio) = (spans, 5, 0.15) }
    let all = hidden(objective, MaskFixture.samples(2000, body: 100))
    #expect(all.allSatisfy { $0.count == 15 && Set($0).count == 15 && $0.allSatisfy { (1...100).contains($0) } })
    // Far fewer runs than fifteen single tokens make (12.9 on average).
    let runsPerSample = Double(all.reduce(0) { $0 + runs($1).count }) / 2000
    #expect(runsPerSample < (spans == .fixed ? 4.5 : 7.5))
    // Inside, away from the borders, all positions are hidden equally often: 80 cells of about 300, whose neighbours go
    // together.
    let hits = all.joined().reduce(into: [Int](repeating: 0, count: 102)) { $0[$1] += 1 }
    #expect(hits[11...90].allSatisfy { (220...380).contains($0) })
  }

  /// Spans of two, two positions per sample, in pairs that a document's end or a special token parts: a span from the
  /// first of a pair hides the pair, one from the second hides it alone, and the other position is drawn again. Over
  /// the seam that happens by chance, in about 1 of 12; a span that ran over it would do so in half of all samples.
  @Test(arguments: [false, true])
  func spansStayInsideDocumentsAndBetweenSpecialTokens(bySpecialTokens: Bool) throws {
    let objective = try objective { ($0.spans, $0.spanLength, $0.maskRatio) = (.fixed, 2, 0.17) }
    let pair: [Int32] = bySpecialTokens ? [4, 6, 3] : [4, 6]
    let length = 6 * pair.count
    let batch = SampleBatch(
      sampleIDs: (0..<1000).map { UInt64($0) }, length: length, lookahead: 0, tokens: (0..<6000).flatMap { _ in pair },
      documentIDs: (0..<1000).flatMap { _ in (0..<length).map { Int32(bySpecialTokens ? 0 : $0 / 2) } })
    let all = hidden(objective, batch)
    #expect(all.allSatisfy { $0.count == 2 })
    let whole = all.filter { $0[0] / pair.count == $0[1] / pair.count }.count
    let across = all.filter { $0[0] % pair.count == 1 && $0[1] == ($0[0] / pair.count + 1) * pair.count }.count
    #expect(whole > 450 && across < 150)
  }

  @Test func spansOfWordsAreWhole() throws {
    let (batch, words) = wordBatch(200)
    let objective = try objective(words: Self.words) {
      ($0.wholeWordMask, $0.spans, $0.spanLength, $0.maskRatio) = (true, .fixed, 3, 0.3)
    }
    for chosen in hidden(objective, batch).map(Set.init) {
      #expect(words.allSatisfy { chosen.isDisjoint(with: $0) || $0.isSubset(of: chosen) })
      #expect((8...12).contains(chosen.count))
    }
  }

  @Test func errors() {
    #expect {
      _ = try objective { ($0.finalMaskRatio, $0.spanGeometricP, $0.spanLength) = (0, 2, 0) }
    } throws: {
      "\($0)" == """
        objective.final_mask_ratio is 0.0; it must lie in 0.01...0.9.
        objective.span_geometric_p is 2.0; it must lie in 0.01...1.0.
        objective.span_length is 0; it must lie in 1...1000.
        """
    }
  }
}
