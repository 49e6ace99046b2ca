import Collectives
import Core
import Data
import Kernels
import Layers
import Models
import Tensors
import Tokenizers

/// `retrieval`: whether a model finds the value that stood behind a key.
///
/// *Concretely:* sequences key value … key value …, distractors between them, then a key again; a causal model predicts
/// what comes next, a masked one what stands behind [MASK]. Exact: the value is the likeliest of all ordinary tokens.
/// Without names, keys, values and distractors are the commonest ordinary tokens of the corpus, or any of the
/// vocabulary when there is none.
///
/// Reference: the task of Arora et al., "Zoology: measuring and improving recall in efficient language models", 2023,
/// arXiv 2312.04927.
/// - Complexity: one forward pass per sequence.
public struct RetrievalMeasure: Measure {
  public struct Options: MeasureOptions {
    /// Sequences for each number of pairs and of distractors.
    public var sequences = 64
    /// Most pairs; 1, 2, 4, … up to these are measured.
    public var pairs = 8
    /// Most distractors; none, half and all are measured.
    public var distractors = 8
    /// Words separated by spaces, each one token; empty to take tokens of the text.
    public var keys = ""
    public var values = ""
    public var distractorWords = ""

    public init() {}
  }

  public static let name = "retrieval"
  public static let summary = "Exact retrieval of the value after a key, by number of pairs and distance."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    func require(_ range: ClosedRange<Int>, _ key: String, _ value: Int) {
      guard !range.contains(value) else { return }
      problems.append(
        .init(
          key: "measures.\(Self.name).\(key)",
          sentence: "is \(value); it must lie in \(range.lowerBound)...\(range.upperBound)."))
    }
    require(1...100_000, "sequences", options.sequences)
    require(1...10_000, "pairs", options.pairs)
    require(0...10_000, "distractors", options.distractors)
    let named = [options.keys, options.values, options.distractorWords].filter { !$0.isEmpty }.count
    if named == 1 || named == 2 {
      problems.append(
        .init(
          key: "measures.\(Self.name).keys",
          sentence: "values and distractor_words must be given together, or none of them."))
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    self.options = options
  }

  public func problems(microBatch: Int, context: Int) -> [ConfigurationError.Problem] {
    let longest = RetrievalSequence.length(pairs: options.pairs, distractors: options.distractors) + 3
    guard longest > context else { return [] }
    let sentence =
      "is \(options.pairs), with \(options.distractors) distractors: up to \(longest) tokens, and the model reads \(context)."
    return [.init(key: "measures.\(Self.name).pairs", sentence: sentence)]
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    model.predictionUnsupportedReason(needsMask: model.configuration.prediction == .same)
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let pool = try tokens(context)
    try pool.check(pairs: options.pairs, distractors: options.distractors)
    let framing = try context.model.framing()
    let problems = problems(microBatch: context.microBatch, context: context.model.configuration.maxPosition)
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let cells = cells
    guard let reader = RetrievalReader(context.model, framing) else {
      preconditionFailure("\(Self.name) needs a vocabulary head")
    }
    let (sequences, random) = (options.sequences, CounterGenerator(seed: context.seed, purpose: .evaluation))
    let rows = try context.rows(cells.count * sequences, columns: 4, workspace: reader.makeWorkspace) {
      index, workspace in
      let cell = cells[index / sequences]
      let key = UInt64(cell.pairs) << 32 | UInt64(cell.distractors)
      let sequence = RetrievalSequence(
        pool, pairs: cell.pairs, distractors: cell.distractors,
        random.at(position: key, site: UInt32(index % sequences)))
      let prediction = reader.predict(sequence, workspace)
      return [
        prediction.isExact ? 1 : 0, prediction.isBestOfOffered ? 1 : 0, prediction.loss, Double(sequence.distance),
      ]
    }
    return result(rows, cells)
  }

  private struct Cell {
    let pairs: Int
    let distractors: Int
  }

  private var cells: [Cell] {
    var pairs: [Int] = []
    var count = 1
    while count < options.pairs {
      pairs.append(count)
      count *= 2
    }
    pairs.append(options.pairs)
    let distractors = Set([0, options.distractors / 2, options.distractors]).sorted()
    return pairs.flatMap { pairs in distractors.map { Cell(pairs: pairs, distractors: $0) } }
  }

  private func tokens(_ context: MeasureContext) throws -> RetrievalTokens {
    if !options.keys.isEmpty {
      let tokenizer = try TokenizerLoader.load(context.model.path)
      return RetrievalTokens(
        keys: try RetrievalTokens.ids(options.keys, option: "keys", tokenizer),
        values: try RetrievalTokens.ids(options.values, option: "values", tokenizer),
        distractors: try RetrievalTokens.ids(options.distractorWords, option: "distractor_words", tokenizer))
    }
    let isSpecial = Set(context.model.vocabulary.special)
    var ids = (0..<Int32(context.model.vocabulary.size)).filter { !isSpecial.contains($0) }
    if context.corpus != nil {
      // Of tokens that the text does not have, a model knows nothing.
      var counts = [Int](repeating: 0, count: context.model.vocabulary.size)
      for window in try TextWindows(context, count: 256, measure: Self.name).windows {
        for id in window { counts[Int(id)] += 1 }
      }
      ids = ids.filter { counts[Int($0)] > 0 }.sorted { (counts[Int($1)], $0) < (counts[Int($0)], $1) }
    }
    return RetrievalTokens(partitioning: ids, seed: context.seed)
  }

  private func result(_ rows: [[Double]], _ cells: [Cell]) -> MeasureResult {
    func proportion(_ name: String, _ column: Int, unit: String, _ better: MeasuredValue.Better) -> MeasuredValue {
      let values = rows.map { $0[column] }
      let (mean, error) = meanAndError(values)
      let items = MeasuredValue.Items(sums: values, counts: [Double](repeating: 1, count: values.count))
      return MeasuredValue(
        "retrieval.\(name)", mean, unit: unit, better: better, standardError: error, least: 0,
        most: column < 2 ? 1 : nil, items: items)
    }
    let byPairs = cells.enumerated().map { index, cell in
      let chosen = rows[index * options.sequences..<(index + 1) * options.sequences]
      let columns = (0..<3).map { column in meanAndError(chosen.map { $0[column] }) }
      return [
        Double(cell.pairs), Double(cell.distractors), columns[0].mean, columns[0].error ?? 0, columns[1].mean,
        columns[2].mean,
      ]
    }
    var byDistance: [[Double]] = []
    var from = 1.0
    while rows.contains(where: { $0[3] >= from }) {
      let chosen = rows.filter { $0[3] >= from && $0[3] < 2 * from }
      if !chosen.isEmpty {
        let (mean, error) = meanAndError(chosen.map { $0[0] })
        byDistance.append([from, 2 * from - 1, Double(chosen.count), mean, error ?? 0])
      }
      from *= 2
    }
    return MeasureResult(
      [
        proportion("exact", 0, unit: "of sequences", .higher),
        proportion("best_of_offered", 1, unit: "of sequences", .higher),
        proportion("loss", 2, unit: "nats per value", .lower), MeasuredValue("sequences", Double(rows.count)),
      ],
      tables: [
        "by_pairs": MeasuredTable(
          ["pairs", "distractors", "exact", "standard_error", "best_of_offered", "loss"], byPairs),
        "by_distance": MeasuredTable(["from", "to", "sequences", "exact", "standard_error"], byDistance),
      ])
  }
}

/// Predicts the value after the last key of a sequence.
private struct RetrievalReader: Sendable {
  private let encoder: Transformer
  private let head: VocabularyHead
  private let parameters: ParameterStore
  private let vocabulary: Vocabulary
  private let framing: Framing
  private let isSpecial: Set<Int32>

  init?(_ model: MeasuredModel, _ framing: Framing) {
    guard let head = model.encoder.head else { return nil }
    (encoder, self.head, parameters, vocabulary, self.framing) = (
      model.encoder, head, model.parameters, model.vocabulary, framing
    )
    isSpecial = Set(model.vocabulary.special)
  }

  func makeWorkspace() -> ForwardWorkspace {
    ForwardWorkspace(encoder, samples: 1, length: encoder.configuration.maxPosition)
  }

  struct Prediction {
    var isExact: Bool
    var isBestOfOffered: Bool
    /// −ln p of the value.
    var loss: Double
  }

  func predict(_ sequence: RetrievalSequence, _ workspace: ForwardWorkspace) -> Prediction {
    let isCausal = encoder.configuration.attentionMask == .causal
    var tokens = sequence.tokens
    var row = tokens.count - 1
    if !isCausal, let mask = vocabulary.mask {
      tokens.append(mask)
      row += 1
    }
    if framing == .clsSep, let cls = vocabulary.cls, let sep = vocabulary.sep {
      // Behind the query a causal model would not see it.
      tokens = [cls] + tokens + (isCausal ? [] : [sep])
      row += 1
    }
    guard let saved = workspace.transformer.head else { preconditionFailure("retrieval needs a vocabulary head") }
    let ranges = AttentionRanges(
      samples: 1, length: tokens.count, documentIDs: [Int32](repeating: 0, count: tokens.count), causal: isCausal,
      documentMasking: false)
    let input = SequenceInput(sampleIDs: [0], length: tokens.count, tokens: tokens, ranges: ranges)
    let pass = Pass(parameters)
    let logits = head.logits(encoder.forward(input, pass, workspace.transformer), rows: [row], pass, saved)
    // [MASK] and its like stand in no text; of equal logits the first counts.
    func best(_ ids: some Sequence<Int32>) -> Int32? {
      ids.reduce(nil as Int32?) { best, id in
        guard let best else { return id }
        return logits[0, Int(id)] > logits[0, Int(best)] ? id : best
      }
    }
    return Prediction(
      isExact: best((0..<Int32(vocabulary.size)).lazy.filter { !isSpecial.contains($0) }) == sequence.target,
      isBestOfOffered: best(sequence.offered) == sequence.target,
      loss: negativeLogLikelihood(logits, row: 0, of: sequence.target))
  }
}

extension RetrievalMeasure.Options {
  public static var sentences: [String: String] {
    [
      "sequences": "Sequences for each number of pairs and of distractors, 1 … 100000.",
      "pairs": "Most pairs, 1 … 10000; 1, 2, 4, … up to these are measured.",
      "distractors": "Most distractors, 0 … 10000; none, half and all are measured.",
      "keys": "Words with spaces between them, each one token; empty to take tokens of the text.",
      "values": "The same for values.",
      "distractor_words": "The same for distractors.",
    ]
  }
}
