import Core
import Layers
import Tensors

/// `mlm`: BERT's masked language modelling with masks drawn anew at every visit.
///
/// *Concretely:* of the n eligible positions of a sample (real and not special), max(1, round(maskRatio · n)) are chosen at
/// random without replacement. Each is shown as [MASK] with probability `maskShare`, as a random ordinary token with
/// probability `randomShare`, otherwise unchanged; all of them are asked for their own id. Loss = Σ w·CE / Σ w over the batch.
///
/// Differences from the reference code, on purpose: the count rule does not include special tokens, no cap is applied, and
/// random replacements are drawn from ordinary tokens only.
///
/// Reference: Devlin et al., "BERT", 2018, arXiv 1810.04805; dynamic masks: Liu et al., "RoBERTa", 2019, arXiv 1907.11692.
public struct MaskedLanguageModel: TokenObjective {
  public struct Options: ObjectiveOptions {
    /// Share of eligible positions that are asked for.
    public var maskRatio = 0.15
    /// Of those, the share shown as [MASK] …
    public var maskShare = 0.8
    /// … and the share shown as a random token.
    public var randomShare = 0.1
    /// Attention stays inside documents.
    public var insideDocuments = false

    public init() {}
  }

  public static let name = "mlm"
  public static let summary = "Masked language modelling, 15 % of tokens, 80/10/10, with a bidirectional encoder: looks around."
  public static let paper = "Devlin et al. 2018, BERT, arXiv 1810.04805"
  public static let visibility = ModelConfiguration.Visibility.bidirectional

  public let options: Options
  public let prediction: TokenPrediction
  private let mask: Int32
  private let isSpecial: [Bool]
  private let ordinary: [Int32]

  public init(_ options: Options, model: ModelConfiguration, vocabulary: Vocabulary) throws(ConfigurationError) {
    self.options = options
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ sentence: String) {
      if !holds { problems.append(.init(key: "objective.\(key)", sentence: sentence)) }
    }
    require((0.01...0.9).contains(options.maskRatio), "maskRatio", "is \(options.maskRatio); it must lie in 0.01...0.9.")
    require((0...1).contains(options.maskShare), "maskShare", "is \(options.maskShare); it must lie in 0...1.")
    require((0...1).contains(options.randomShare), "randomShare", "is \(options.randomShare); it must lie in 0...1.")
    let shares = options.maskShare + options.randomShare
    require(shares <= 1.000001, "randomShare", "and maskShare add up to \(shares); together they must not exceed 1.")
    require(vocabulary.mask != nil, "name", "is mlm, but the tokeniser has no [MASK]; add one when preparing the corpus.")
    guard problems.isEmpty, let mask = vocabulary.mask else { throw ConfigurationError(problems: problems) }
    self.mask = mask
    var special = [Bool](repeating: false, count: vocabulary.size)
    for id in vocabulary.special where id >= 0 && Int(id) < special.count { special[Int(id)] = true }
    isSpecial = special
    ordinary = (0..<Int32(vocabulary.size)).filter { !special[Int($0)] }
    guard !ordinary.isEmpty else { throw ConfigurationError("objective.name", "is mlm, but the tokeniser has special tokens only.") }
    prediction = TokenPrediction(model)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var input = clean.input(visibility: Self.visibility, insideDocuments: options.insideDocuments)
    var (rows, ids) = ([Int](), [Int32]())
    for sample in 0..<clean.count {
      let random = context.random(clean.positions[sample])
      for i in chosen(clean, sample, random) {
        let row = sample * clean.length + i
        rows.append(row)
        ids.append(input.tokens[row])
        input.tokens[row] = replacement(of: input.tokens[row], i, random)
      }
    }
    return TrainingExample(inputs: [input], targets: [TermTargets(rows: rows, ids: ids)])
  }

  /// The positions asked for, in rising order: those with the smallest random keys.
  private func chosen(_ clean: SampleBatch, _ sample: Int, _ random: CounterGenerator) -> [Int] {
    let start = sample * clean.stride
    let eligible = (0..<clean.length).filter { clean.segments[start + $0] >= 0 && !isSpecial[Int(clean.tokens[start + $0])] }
    guard !eligible.isEmpty else { return [] }
    let count = max(1, Int((options.maskRatio * Double(eligible.count)).rounded()))
    // A key is a random word above the position: ties cannot happen, and the choice is a function of the sample alone.
    let keys = eligible.map { UInt64(random.word($0)) << 32 | UInt64($0) }.sorted()
    return keys[..<min(count, keys.count)].map { Int($0 & 0xFFFF_FFFF) }.sorted()
  }

  /// What stands in the input for a chosen token. Elements from 2²⁰ on are used, apart from those of the choice.
  private func replacement(of token: Int32, _ i: Int, _ random: CounterGenerator) -> Int32 {
    let draw = Double(random.uniform(1 << 20 | i))
    if draw < options.maskShare { return mask }
    if draw < options.maskShare + options.randomShare { return ordinary[random.below(ordinary.count, 1 << 21 | i)] }
    return token
  }
}
