import Core
import Evaluation
import Objectives

/// `bag-of-words`: what logistic regression makes of the same examples without any network: the baseline for probe and
/// finetune.
///
/// *Concretely:* a word is a run of letters, digits and apostrophes, lower-cased; a text is the set of its words (1 for
/// each that occurs), or their counts, or 1 + ln count. Words of fewer than `minTexts` training texts, and words that
/// only test texts have, are left out. The whole text is read, whatever the model's context. Then as `probe`, without
/// standardisation. Reference: Pang, Lee, Vaithyanathan, "Thumbs up?", 2002, arXiv cs/0205070 (presence beats frequency
/// for sentiment).
public struct BagOfWordsMeasure: LabelledTextMeasure {
  public struct OwnOptions: MeasureOptions {
    /// binary, count or log.
    public var weighting = "binary"
    /// Training texts a word must occur in.
    public var minTexts = 1

    public init() {}
  }

  public typealias Options = CombinedOptions<LabelledTextOptions, OwnOptions>

  enum Weighting: String, CaseIterable {
    case binary, count, log

    func callAsFunction(_ count: Int) -> Double {
      switch self {
      case .binary: 1
      case .count: Double(count)
      case .log: 1 + naturalLogarithm(Double(count))
      }
    }
  }

  public static let name = "bag-of-words"
  public static let summary =
    "Logistic regression on the words of labelled text, without the model: the baseline of probe and finetune."

  public static let readsModel = false

  public let options: Options
  private let weighting: Weighting

  public init(_ options: Options) throws(ConfigurationError) {
    var problems = options.shared.problems(Self.name)
    if Weighting(rawValue: options.weighting) == nil {
      let choices = Weighting.allCases.map(\.rawValue).joined(separator: ", ")
      problems.append(
        .init(
          key: "measures.bag-of-words.weighting", sentence: "is \(options.weighting); it must be one of \(choices)."))
    }
    if !(1...1_000_000).contains(options.minTexts) {
      problems.append(
        .init(key: "measures.bag-of-words.min_texts", sentence: "is \(options.minTexts); it must lie in 1...1000000."))
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    self.options = options
    weighting = Weighting(rawValue: options.weighting) ?? .binary
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? { nil }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let data = try LabelledText.read(options.shared, seed: context.seed, context.communicator)
    return try Self.measure(data, weighting, minTexts: options.minTexts, place: options.train, context)
  }

  static func measure(
    _ data: LabelledText, _ weighting: Weighting, minTexts: Int, place: String, _ context: MeasureContext
  ) throws -> MeasureResult {
    let (x, words) = try bags(data, weighting, minTexts: minTexts, place: place)
    let split = try data.validationSplit(seed: context.seed, place: place)
    let probe = try LinearProbe(x, data, split: split, context)
    // It knows nothing of the model, so no model is better in it.
    let score = data.score(probe.predictions).values("bag_of_words").map { value in
      var value = value
      value.better = .neither
      return value
    }
    let values =
      score + [
        MeasuredValue("bag_of_words.strength", probe.strength), MeasuredValue("bag_of_words.words", Double(words)),
        MeasuredValue("bag_of_words.majority_accuracy", data.majorityAccuracy, least: 0, most: 1),
      ]
    return MeasureResult(
      values, notes: data.remarks + probe.notes, predictions: [Predictions("bag_of_words", probe.predictions, data)])
  }

  /// Training texts, then test texts. - Throws: `DataError` when no word is left.
  static func bags(
    _ data: LabelledText, _ weighting: Weighting, minTexts: Int, place: String
  ) throws(DataError) -> (SparseExamples, words: Int) {
    let counts = (data.train + data.test).map { self.counts(words(of: $0.text)) }
    var texts: [String: Int] = [:]
    for count in counts.prefix(data.train.count) { for word in count.keys { texts[word, default: 0] += 1 } }
    let vocabulary = texts.filter { $0.value >= minTexts }.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    guard !vocabulary.isEmpty else {
      throw DataError(
        place, "has no word that occurs in \(minTexts) training texts.",
        remedy: "Lower min_texts, or name another text column.")
    }
    let columns = Dictionary(uniqueKeysWithValues: vocabulary.enumerated().map { ($1, $0) })
    var x = SparseExamples(columns: vocabulary.count)
    for count in counts {
      let entries = count.compactMap { word, n in columns[word].map { (column: $0, value: weighting(n)) } }
      // A dictionary's order changes from one start of the program to the next.
      x.append(entries.sorted { $0.column < $1.column })
    }
    return (x, vocabulary.count)
  }

  /// Runs of letters, digits and apostrophes, in lower case.
  static func words(of text: [UInt8]) -> [String] {
    String(decoding: text, as: UTF8.self).lowercased()
      .split { !($0.isLetter || $0.isNumber || $0 == "'") }.map(String.init).filter { $0.contains { $0 != "'" } }
  }

  private static func counts(_ words: [String]) -> [String: Int] { words.reduce(into: [:]) { $0[$1, default: 0] += 1 } }
}

extension BagOfWordsMeasure.OwnOptions {
  public static var sentences: [String: String] {
    [
      "weighting": "What a word that comes c times weighs: binary 1, count c, log 1 + ln c.",
      "min_texts": "Training texts a word must occur in.",
    ]
  }
}
