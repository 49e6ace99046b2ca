import Classification
import Configuration
import Core
import Evaluation

/// A measure as the registry lists it.
public struct MeasureEntry: Sendable {
  public let name: String
  public let summary: String
  /// Whether the result depends on the model.
  public let readsModel: Bool
  public let defaultOptions: any MeasureOptions
  public let make: @Sendable (any MeasureOptions) throws(ConfigurationError) -> any Measure
  /// It predicts a class for each example of labelled text.
  public let classifies: Bool
  /// What docs/configuration.md says of each option.
  public let optionSentences: [String: String]
  private let decode: @Sendable (any Decoder) throws -> any MeasureOptions

  public init<M: Measure>(_: M.Type) {
    (name, summary, readsModel, defaultOptions, optionSentences) = (
      M.name, M.summary, M.readsModel, M.Options(), M.Options.sentences
    )
    classifies = M.self is any LabelledTextMeasure.Type
    make = { options throws(ConfigurationError) in
      guard let options = options as? M.Options else {
        preconditionFailure("options of another measure than \(M.name)")
      }
      return try M(options)
    }
    decode = { try M.Options(from: $0) }
  }

  /// The measure with the options that `reader` has under `measures.<name>`; nil when there are problems, which are
  /// noted there.
  public func read(_ reader: ConfigurationReader) -> (any Measure)? {
    let options = reader.options(
      (defaultOptions, { [decode] in try decode($0) }), section: "measures.\(name)", sentences: optionSentences)
    do throws(ConfigurationError) {
      return try make(options as? any MeasureOptions ?? defaultOptions)
    } catch {
      for problem in error.problems { reader.note(problem.key, problem.sentence) }
      return nil
    }
  }
}

extension MeasureEntry {
  /// Every option with its type, default and sentence.
  public var keys: [ConfigurationKey] {
    let reader = ConfigurationReader(.table([:]))
    _ = reader.options(
      (defaultOptions, { [decode] in try decode($0) }), section: "measures.\(name)", sentences: optionSentences)
    return reader.keys
  }
}

/// All measures. Adding one is a file, a line here, and a test.
public enum MeasureRegistry {
  public static let entries: [MeasureEntry] = [
    MeasureEntry(LossMeasure.self),
    MeasureEntry(LeftToRightMeasure.self),
    MeasureEntry(AnyOrderMeasure.self),
    MeasureEntry(PseudoPerplexityMeasure.self),
    MeasureEntry(ProbeMeasure.self),
    MeasureEntry(NearestNeighboursMeasure.self),
    MeasureEntry(BagOfWordsMeasure.self),
    MeasureEntry(FinetuneMeasure.self),
    MeasureEntry(MaskVarianceMeasure.self),
    MeasureEntry(FramesMeasure.self),
    MeasureEntry(FeatureMeasure.self),
    MeasureEntry(ReconstructMeasure.self),
    MeasureEntry(ForecastMeasure.self),
    MeasureEntry(MasksMeasure.self),
    MeasureEntry(CooccurrenceMeasure.self),
    MeasureEntry(RetrievalMeasure.self),
  ]

  public static func entry(named name: String) -> MeasureEntry? { entries.first { $0.name == name } }
}
