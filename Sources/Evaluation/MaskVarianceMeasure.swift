import Collectives
import Core
import Data
import Objectives
import Tensors

/// `mask-variance`: how much of the gradient's variance is the mask's, and what masks that do not overlap save.
///
/// *Concretely:* for each text and mask m of n hidden tokens, g(m) is the gradient of the mean masked loss in all
/// parameters, at the checkpoint as it is, dropout off. c(H) is the covariance of the gradients of two masks at Hamming
/// distance H; a mean over K independent masks has the variance Var / K, one over K disjoint ones Var / K + (K - 1) / K
/// · c(2n). Both are also measured directly, on other masks. The last values put the choice of texts beside: a mean
/// over K passes spent on K texts, or on K masks of one.
///
/// Reference: Zheng et al., "Improving self-supervised pre-training via a fully-explored masked language model", 2020,
/// arXiv 2010.06040.
/// - Complexity: draws · (n + K - 1) + (2 · trials + 2) · K passes of one text, forward and backward, for each text.
public struct MaskVarianceMeasure: Measure {
  public enum Projection: String, Codable, Sendable, CaseIterable {
    /// Exact where the gradients of a round and the texts' means fit into 512 MiB, else a sketch.
    case auto
    /// Every parameter for itself.
    case exact
    /// `dimensions` signed sums, chosen by the seed.
    case sketch
  }

  public struct Options: MeasureOptions {
    /// At most so many texts, evenly spread over the split.
    public var texts = 16
    /// Random orders of a text from which masks at every distance are taken.
    public var draws = 32
    /// Means of K masks of either kind, for the direct variances.
    public var trials = 32
    /// K.
    public var sets = 7
    /// Share of ordinary tokens that a mask hides; 0 for 1 / sets.
    public var ratio = 0.0
    /// Steps from a mask to a disjoint one, at most; 0 for one token at a time, which covers every distance.
    public var steps = 0
    /// Of the hidden tokens, the share shown as [MASK] …
    public var maskReplaceProb = 1.0
    /// … and the share shown as a random token.
    public var randomReplaceProb = 0.0
    public var projection = Projection.auto
    /// Of a sketch.
    public var dimensions = 1024

    public init() {}
  }

  public static let name = "mask-variance"
  public static let summary =
    "Variance of the gradient over masks of a text, by their overlap; partition against independent masks."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ sentence: String) {
      if !holds { problems.append(.init(key: "measures.\(Self.name).\(key)", sentence: sentence)) }
    }
    let o = options
    require((2...10_000).contains(o.texts), "texts", "is \(o.texts); it must lie in 2...10000.")
    require((2...100_000).contains(o.draws), "draws", "is \(o.draws); it must lie in 2...100000.")
    require((2...100_000).contains(o.trials), "trials", "is \(o.trials); it must lie in 2...100000.")
    require((2...1000).contains(o.sets), "sets", "is \(o.sets); it must lie in 2...1000.")
    require(
      o.ratio == 0 || (0.01...0.5).contains(o.ratio), "ratio",
      "is \(o.ratio); it must be 0 (for 1 / sets) or lie in 0.01...0.5.")
    require(
      o.ratio * Double(o.sets) <= 1.000001, "ratio",
      "is \(o.ratio) with \(o.sets) sets; sets that do not overlap need ratio · sets <= 1.")
    require(o.steps >= 0, "steps", "is \(o.steps); it must be 0 (one per token) or more.")
    require((0...1).contains(o.maskReplaceProb), "mask_replace_prob", "is \(o.maskReplaceProb); it must lie in 0...1.")
    require(
      (0...1).contains(o.randomReplaceProb), "random_replace_prob", "is \(o.randomReplaceProb); it must lie in 0...1.")
    require(
      o.maskReplaceProb + o.randomReplaceProb <= 1.000001, "random_replace_prob",
      "and mask_replace_prob add up to \(o.maskReplaceProb + o.randomReplaceProb); together they must not exceed 1.")
    require(
      (16...SignSketch.mostDimensions).contains(o.dimensions), "dimensions",
      "is \(o.dimensions); it must lie in 16...\(SignSketch.mostDimensions).")
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    self.options = options
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    model.predictionUnsupportedReason(needsMask: true)
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let tokens = try MaskableTokens(context.model.vocabulary, objective: Self.name)
    return try measure(try MaskableTexts(context, count: options.texts, tokens: tokens), tokens, context)
  }

  func measure(_ texts: MaskableTexts, _ tokens: MaskableTokens, _ context: MeasureContext) throws -> MeasureResult {
    let size = try size(texts)
    let starts = MaskDraws.starts(size: size, sets: options.sets, steps: options.steps)
    let sketch = sketch(context.model.parameters.layout.count, starts.count, texts.framed.count, context.seed)
    let replacement = Replacement(
      maskReplaceProb: options.maskReplaceProb, randomReplaceProb: options.randomReplaceProb)
    guard let gradient = MaskedGradient(context.model, tokens, replacement, sketch: sketch) else {
      preconditionFailure("\(Self.name) needs a vocabulary head")
    }
    let (options, random) = (options, CounterGenerator(seed: context.seed, purpose: .evaluation))
    let columns = TextMaskVariance.columns(levels: size + 1, dimensions: gradient.dimensions)
    let rows = try context.rows(texts.framed.count, columns: columns, workspace: gradient.makeWorkspace) {
      index, workspace in
      let text = texts.framed[index]
      let draws = MaskDraws(
        positions: texts.positions[index], size: size, sets: options.sets, steps: options.steps,
        random: random.at(position: contentKey(text), site: 0))
      return TextMaskVariance(draws, rounds: options.draws, trials: options.trials) { hidden, mask in
        Heartbeat.beat()
        return gradient(text, hiding: hidden, draws.replacements(mask), workspace)
      }.row
    }
    let summary = MaskVarianceSummary(rows.map { TextMaskVariance(row: $0, levels: size + 1) }, sets: options.sets)
    return result(
      summary, size: size, starts: starts, dimensions: gradient.dimensions, isExact: sketch == nil, seed: context.seed)
  }

  /// n: the same for all texts, so that distances are.
  private func size(_ texts: MaskableTexts) throws(DataError) -> Int {
    let fewest = texts.positions.map(\.count).min() ?? 0
    // Not 1 / sets · fewest, which may round below a whole number.
    let size = options.ratio == 0 ? fewest / options.sets : max(1, Int(options.ratio * Double(fewest) + 1e-9))
    guard size >= 1, size * options.sets <= fewest else {
      throw DataError(
        texts.place,
        "has texts of \(fewest) ordinary tokens, too few for \(options.sets) sets of masks that do not overlap.",
        remedy: "Lower measures.\(Self.name).sets, or measure a model with a longer context.")
    }
    return size
  }

  private func sketch(_ parameters: Int, _ masks: Int, _ texts: Int, _ seed: UInt64) -> SignSketch? {
    let isExact: Bool
    switch options.projection {
    case .exact: isExact = true
    case .sketch: isExact = false
    // A round is held twice, as vectors and as a matrix.
    case .auto: isExact = 8 * parameters * (2 * masks + texts + 8) <= 512 << 20
    }
    return isExact ? nil : SignSketch(elements: parameters, dimensions: options.dimensions, seed: seed)
  }

  private func result(
    _ summary: MaskVarianceSummary, size: Int, starts: [Int], dimensions: Int, isExact: Bool, seed: UInt64
  ) -> MeasureResult {
    let every = summary.everyText
    var pairs = [Int](repeating: 0, count: size + 1)
    for i in starts.indices { for j in 0...i { pairs[min(starts[i] - starts[j], size)] += options.draws } }
    let table = summary.covariances(pairs: pairs)
    func perText(_ name: String, _ value: (TextMaskVariance) -> Double) -> MeasuredValue {
      let values = summary.texts.map(value)
      let (mean, error) = meanAndError(values)
      let items = MeasuredValue.Items(sums: values, counts: [Double](repeating: 1, count: values.count))
      return MeasuredValue("mask_variance.\(name)", mean, better: .neither, standardError: error, items: items)
    }
    func overall(_ name: String, _ statistic: ([Int]) -> Double) -> MeasuredValue {
      MeasuredValue(
        "mask_variance.\(name)", statistic(every), better: .neither,
        standardError: jackknifeError(every.count, statistic))
    }
    func interval(_ name: String, _ statistic: @escaping ([Int]) -> Double) -> [MeasuredValue] {
      let (low, high) = bootstrapInterval(every.count, seed: seed, statistic)
      return [
        MeasuredValue("mask_variance.\(name)", statistic(every), better: .neither),
        MeasuredValue("mask_variance.\(name).low", low), MeasuredValue("mask_variance.\(name).high", high),
      ]
    }
    var values = [perText("one_mask") { $0.partitionVariance }]
    values += [perText("independent", summary.independent), perText("independent.direct") { $0.directIndependent }]
    values += [perText("partition", summary.partition), perText("partition.direct") { $0.directPartition }]
    values += interval("ratio", summary.ratio) + interval("ratio.direct", summary.directRatio)
    values.append(
      MeasuredValue("mask_variance.spearman", rankCorrelation(table.rows.map { $0[0] }, table.rows.map { $0[1] })))
    values += [
      overall("between_texts", summary.betweenTexts), overall("passes.fresh_texts", summary.freshTexts),
      overall("passes.one_text_partition", summary.oneTextPartition),
      overall("passes.one_text_independent", summary.oneTextIndependent),
    ]
    var difference = overall("passes.fresh_minus_partition", summary.freshMinusPartition)
    difference.better = .neither
    values.append(difference)
    values += [
      MeasuredValue("texts", Double(every.count)), MeasuredValue("sets", Double(options.sets)),
      MeasuredValue("hidden", Double(size), unit: "tokens per mask"), MeasuredValue("dimensions", Double(dimensions)),
    ]
    let basis =
      isExact
      ? "Inner products are exact." : "Inner products are those of a random sketch, right on average over seeds."
    return MeasureResult(
      values, tables: ["c(H)": table],
      notes: [
        "\(basis) one_mask, independent, partition and ratio are variances inside a text; passes.* are of a mean over \(options.sets) passes with the choice of texts."
      ])
  }
}

/// FNV-1a over the ids of a text: random numbers then follow the text, whatever its place.
func contentKey(_ tokens: [Int32]) -> UInt64 {
  tokens.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64(UInt32(bitPattern: $1))) &* 1_099_511_628_211 }
}

/// Windows of text as a masked model reads them, with the positions that may be hidden; those that are mostly special
/// are left out.
struct MaskableTexts: Sendable {
  let framed: [[Int32]]
  let positions: [[Int]]
  let place: String

  init(_ context: MeasureContext, count: Int, tokens: MaskableTokens) throws {
    let windows = try TextWindows(context, count: count, measure: MaskVarianceMeasure.name)
    try self.init(
      windows, tokens: tokens, place: "\(context.corpus?.folder ?? "the corpus"), \(context.split.rawValue)")
  }

  init(_ windows: TextWindows, tokens: MaskableTokens, place: String) throws(DataError) {
    let isOrdinary = Set(tokens.ordinary)
    let length = windows.windows.map(\.count).max() ?? 0
    var (framed, positions) = ([[Int32]](), [[Int]]())
    for index in windows.windows.indices {
      let text = windows.framed(index)
      let ordinary = text.indices.filter { isOrdinary.contains(text[$0]) }
      guard 2 * ordinary.count >= length else { continue }
      framed.append(text)
      positions.append(ordinary)
    }
    guard framed.count >= 2 else { throw DataError(place, "has fewer than two windows of ordinary text.") }
    (self.framed, self.positions, self.place) = (framed, positions, place)
  }
}

extension MaskVarianceMeasure.Options {
  public static var sentences: [String: String] {
    [
      "texts": "At most so many texts, evenly spread over the split, 2 … 10000.",
      "draws": "Random orders of a text from which masks at every distance are taken, 2 … 100000.",
      "trials": "Means of K masks of either kind, for the direct variances, 2 … 100000.",
      "sets": "K, the masks that cover a text together, 2 … 1000.",
      "ratio": "Share of ordinary tokens that a mask hides, 0.01 … 0.5; 0 for 1 / sets.",
      "steps": "Steps from a mask to a disjoint one, at most; 0 for a token at a time.",
      "mask_replace_prob": "Of the hidden tokens, the share shown as [MASK], 0 … 1.",
      "random_replace_prob": "Of the hidden tokens, the share shown as a random token, 0 … 1.",
      "projection": "All parameters, so many signed sums of them, or the one that fits into memory.",
      "dimensions": "Sums of a sketch.",
    ]
  }
}
