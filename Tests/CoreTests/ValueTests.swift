import Core
import Testing

@Suite struct ValueTests {
  @Test func configurationErrorsSayKeyValueAndRule() {
    let error = ConfigurationError("objective.mask_ratio", is: 1.5, rule: "it must lie in 0.01...0.9.")
    #expect(error.description == "objective.mask_ratio is 1.5; it must lie in 0.01...0.9.")
    #expect(error.exitCode == .usage)
    let both = ConfigurationError(problems: error.problems + [.init(key: "", sentence: "The file is empty.")])
    #expect(both.description == "objective.mask_ratio is 1.5; it must lie in 0.01...0.9.\nThe file is empty.")
  }

  @Test func otherErrorsSayWhereAndWhatToDo() {
    #expect(
      DataError("a.txt:3", "is not UTF-8.", remedy: "Convert it.").description == "a.txt:3: is not UTF-8. Convert it.")
    #expect(
      FileError("write", "/x", reason: "No space left on device", remedy: "Free some.").description
        == "cannot write /x: No space left on device. Free some.")
    let codes: [any LockstepError] = [DataError("", ""), FileError("", "", reason: ""), NumericsError("")]
    #expect(codes.map(\.exitCode) == [.data, .inputOutput, .nonFinite])
  }

  @Test func modelProblemsNameTheirKeys() {
    var c = ModelConfiguration.gpt2(vocabSize: 10, maxPosition: 8, hiddenSize: 12, numLayers: 2, numHeads: 3)
    #expect(c.problems(prefix: "model").isEmpty)
    (c.numHeads, c.dropout, c.numLayers) = (5, 1, 0)
    #expect(c.problems(prefix: "model").map(\.key) == ["model.num_layers", "model.num_heads", "model.dropout"])
    c = .gpt2(vocabSize: 10, maxPosition: 8, hiddenSize: 9, numLayers: 1, numHeads: 3)
    c.positionEmbedding = .rotary
    #expect(c.problems(prefix: "m").map(\.sentence) == ["is rotary; hidden_size / num_heads = 3 must then be even."])
  }

  @Test func paddedBatchesAddEmptySamples() {
    let batch = SampleBatch(sampleIDs: [4], length: 2, lookahead: 1, tokens: [1, 2, 3], documentIDs: [0, 0, 0])
    let padded = batch.padded(to: 3)
    #expect(padded.sampleIDs == [4, .max, .max - 1])
    #expect(padded.tokens == [1, 2, 3, 0, 0, 0, 0, 0, 0])
    #expect(padded.documentIDs == [0, 0, 0, -1, -1, -1, -1, -1, -1])
    #expect(batch.padded(to: 1) == batch)
  }

  @Test func specialTokensAreCollectedOnce() {
    let vocabulary = Vocabulary(size: 9, pad: 3, bos: 1, eos: 1, mask: 2)
    #expect(vocabulary.special == [1, 2, 3])
    #expect(vocabulary.endOfDocument == 1)
    #expect(Vocabulary(size: 9, sep: 4).endOfDocument == 4)
  }

  @Test func rowsAreTakenWithAllThatIsTheirs() {
    let batch = SampleBatch(
      sampleIDs: [4, 5], indices: [8, 9], epochs: [1, 2], length: 1, lookahead: 1, tokens: [1, 2, 3, 4],
      values: [0.5, 0.25], valueSize: 1,
      documentIDs: [0, 0, 1, -1])
    let taken = batch.taking([1, 1, 0])
    #expect(taken.sampleIDs == [5, 5, 4] && taken.indices == [9, 9, 8] && taken.epochs == [2, 2, 1])
    #expect(
      taken.tokens == [3, 4, 3, 4, 1, 2] && taken.values == [0.25, 0.25, 0.5]
        && taken.documentIDs == [1, -1, 1, -1, 0, 0])
    #expect(taken.contentDigest(0) == batch.contentDigest(1) && taken.contentDigest(2) == batch.contentDigest(0))
  }

  /// Each step has its own texts, each as often as it should; copies are neighbours, or in the same place of
  /// neighbouring micro-batches.
  @Test func repeatedStreamsHaveEveryCopyOnce() {
    for layout in [SampleRepetition.Layout.rows, .microBatches] {
      let stream = RepeatedStream(SampleRepetition(times: 3, layout: layout, key: "k"), batch: 12, microBatch: 2)
      for step in 0..<5 {
        let texts = (12 * step..<12 * (step + 1)).map { stream.text(at: UInt64($0)) }
        #expect(texts.map { Int($0.place) * 3 + $0.copy }.sorted() == Array(12 * step..<12 * (step + 1)))
      }
      let first = (0..<12).map { stream.text(at: $0) }
      #expect(
        first.map(\.place)
          == (layout == .rows ? [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3] : [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3]))
      #expect(
        first.map(\.copy)
          == (layout == .rows ? [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2] : [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]))
    }
    let once = RepeatedStream(.none, batch: 7, microBatch: 7)
    #expect((0..<50).allSatisfy { once.text(at: $0) == ($0, 0) })
  }
}
