import Collectives
import Core
@testable import Evaluation
import Kernels
import Models
import Objectives
import Tensors
import Testing
import Tokenizers

@Suite struct RetrievalTests {
  private let vocabulary = Vocabulary(size: 40, mask: 39, special: [39])

  private func context(causal: Bool, threads: Int = 1, zero: Bool = false) -> MeasureContext {
    BLAS.useOneThread()
    let shape: ModelConfiguration =
      causal
      ? .gpt2(vocabSize: 40, maxPosition: 32, hiddenSize: 16, numLayers: 2, numHeads: 2)
      : .bert(vocabSize: 40, maxPosition: 32, hiddenSize: 16, numLayers: 2, numHeads: 2)
    var layout = ParameterLayout()
    let encoder = Transformer(shape, into: &layout)
    let parameters = ParameterStore(layout)
    if !zero { parameters.initialize(seed: 5) }
    let model = MeasuredModel(
      path: "memory", encoder: encoder, parameters: parameters, data: DataShape(vocabulary),
      objective: ("ar", Autoregressive.Options()))
    return MeasureContext(model, corpus: nil, communicator: SingleRank(), threads: threads)
  }

  private let pool = RetrievalTokens(keys: [1, 2, 3, 4], values: [11, 12, 13, 14, 15], distractors: [21, 22])

  /// The target follows the first position of the queried key, at the stated distance.
  @Test(arguments: [(1, 0), (4, 0), (3, 7), (4, 5)])
  func targetsFollowTheirKeys(pairs: Int, distractors: Int) throws {
    let random = CounterGenerator(seed: 1, purpose: .evaluation)
    var distances = Set<Int>()
    for i in 0..<40 {
      let sequence = RetrievalSequence(
        pool, pairs: pairs, distractors: distractors, random.at(position: 3, site: UInt32(i)))
      let tokens = sequence.tokens
      #expect(tokens.count == RetrievalSequence.length(pairs: pairs, distractors: distractors))
      let place = try #require(tokens.firstIndex(of: tokens[tokens.count - 1]))
      #expect(tokens[place + 1] == sequence.target && tokens.count - (place + 1) == sequence.distance)
      let shown = tokens.dropLast()
      #expect(
        Set(shown.filter(pool.keys.contains)).count == pairs
          && shown.filter(pool.distractors.contains).count == distractors)
      #expect(shown.filter(pool.values.contains) == sequence.offered && Set(sequence.offered).count == pairs)
      distances.insert(sequence.distance)
    }
    #expect(distances.count >= pairs)
  }

  @Test func tokensAreDealtOnce() {
    let pool = RetrievalTokens(partitioning: Array(0..<10), seed: 2)
    #expect([pool.keys.count, pool.values.count, pool.distractors.count] == [3, 3, 3])
    #expect(Set(pool.keys + pool.values + pool.distractors) == Set(0..<9), "the rarest is left out")
    #expect(
      RetrievalTokens(partitioning: Array(0..<10), seed: 2) == pool
        && RetrievalTokens(partitioning: Array(0..<10), seed: 3) != pool)
  }

  /// A network of zeros finds all tokens equally likely, and the first of them likeliest.
  @Test(arguments: [true, false])
  func aNetworkOfZerosKnowsNothing(causal: Bool) throws {
    var options = RetrievalMeasure.Options()
    (options.sequences, options.pairs, options.distractors) = (20, 4, 6)
    let result = try RetrievalMeasure(options)(context(causal: causal, zero: true))
    #expect(abs((result["retrieval.loss"] ?? 0) - naturalLogarithm(40)) < 1e-6)
    #expect(result["sequences"] == 180)
    let table = try #require(result.tables["by_pairs"])
    #expect(
      table.rows.map { $0[0] } == [1, 1, 1, 2, 2, 2, 4, 4, 4]
        && table.rows.map { $0[1] } == [0, 3, 6, 0, 3, 6, 0, 3, 6])
    // Among equals the first offered counts: always right with one pair, one time in four with four.
    #expect(table.rows[0][4] == 1 && abs((table.rows[6][4] + table.rows[7][4] + table.rows[8][4]) / 3 - 0.25) < 0.2)
    #expect(try #require(result.tables["by_distance"]).rows.reduce(0) { $0 + $1[2] } == 180)
  }

  /// The prediction is read where the value would stand: the loss is that of the token reader there.
  @Test(arguments: [true, false])
  func theValueIsAskedForBehindTheKey(causal: Bool) throws {
    let context = context(causal: causal)
    var options = RetrievalMeasure.Options()
    (options.sequences, options.pairs, options.distractors) = (3, 1, 0)
    let result = try RetrievalMeasure(options)(context)
    let losses = try #require(result.values.first { $0.name == "retrieval.loss" }?.items).sums
    let pool = RetrievalTokens(partitioning: (0..<39).map { $0 }, seed: 1)
    let reader = try #require(TokenReader(context.model, microBatch: 1))
    let workspace = reader.makeWorkspace()
    for i in 0..<3 {
      let random = CounterGenerator(seed: 1, purpose: .evaluation, position: 1 << 32, site: UInt32(i))
      let sequence = RetrievalSequence(pool, pairs: 1, distractors: 0, random)
      let scored = ScoredInput(
        tokens: sequence.tokens + (causal ? [] : [39]), rows: [causal ? 2 : 3], targets: [sequence.target])
      #expect(reader.negativeLogLikelihoods([scored], workspace)[0][0] == losses[i])
    }
  }

  @Test func threadsDoNotChangeABit() throws {
    var options = RetrievalMeasure.Options()
    options.sequences = 5
    let one = try RetrievalMeasure(options)(context(causal: true))
    #expect(try RetrievalMeasure(options)(context(causal: true, threads: 3)) == one)
  }

  @Test func impossibleOptionsAreNamed() {
    func text(_ change: (inout RetrievalMeasure.Options) -> Void) -> String {
      var options = RetrievalMeasure.Options()
      change(&options)
      do { _ = try RetrievalMeasure(options)(context(causal: true)) } catch { return "\(error)" }
      return ""
    }
    #expect(text { $0.pairs = 0 } == "measures.retrieval.pairs is 0; it must lie in 1...10000.")
    #expect(
      text { $0.keys = "a" }
        == "measures.retrieval.keys values and distractor_words must be given together, or none of them.")
    #expect(
      text { $0.pairs = 12 }.contains(
        "measures.retrieval.pairs is 12, with 8 distractors: up to 36 tokens, and the model reads 32"))
    #expect(
      text {
        $0.pairs = 14; $0.distractors = 0
      }.contains("measures.retrieval.keys has 13 tokens; 14 are needed"))
    #expect(
      throws: ConfigurationError(
        "measures.retrieval.keys", "shares the token with id 5 with measures.retrieval.values.")
    ) {
      try RetrievalTokens(keys: [1, 5], values: [5], distractors: []).check(pairs: 1, distractors: 0)
    }
    #expect(
      throws: ConfigurationError(
        "measures.retrieval.values", "has \"bb\", which is 2 tokens of this model; each word must be one.")
    ) {
      try RetrievalTokens.ids("a bb", option: "values", ByteTokenizer())
    }
  }
}
