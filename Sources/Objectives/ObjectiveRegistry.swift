import Core
import Synchronization

/// An objective as the registry lists it.
public struct ObjectiveEntry: Sendable {
  public let type: any Objective.Type
  public let name: String
  public let summary: String
  public let paper: String
  /// What the objective needs under these options.
  public let requirements: @Sendable (any ObjectiveOptions) -> ObjectiveRequirements
  /// Names of the options, for strict configurations.
  public let defaultOptions: any ObjectiveOptions
  /// What docs/configuration.md says of each option.
  public let optionSentences: [String: String]
  public let make:
    @Sendable (any ObjectiveOptions, ModelConfiguration, DataShape) throws(ConfigurationError) -> any Objective
  /// Decodes the options with a caller's decoder.
  public let decode: @Sendable (any Decoder) throws -> any ObjectiveOptions

  public init<O: Objective>(_: O.Type) {
    type = O.self
    name = O.name
    summary = O.summary
    paper = O.paper
    requirements = { O.requirements(Self.own($0, O.self)) }
    (defaultOptions, optionSentences) = (O.Options(), O.Options.sentences)
    make = { (options, model, data) throws(ConfigurationError) in
      let objective = try O(Self.own(options, O.self), model: model, data: data)
      guard objective.terms.contains(where: { $0.weight != 0 }) else {
        throw ConfigurationError(
          "objective",
          "\(O.name) has weight 0 for every term of its loss (\(objective.terms.map(\.name).joined(separator: ", "))); give one a weight above 0."
        )
      }
      return objective
    }
    decode = { try O.Options(from: $0) }
  }

  private static func own<O: Objective>(_ options: any ObjectiveOptions, _: O.Type) -> O.Options {
    guard let own = options as? O.Options else { preconditionFailure("options of another objective than \(O.name)") }
    return own
  }

  /// What the objective needs under its default options.
  public var defaultRequirements: ObjectiveRequirements { requirements(defaultOptions) }
}

/// All objectives. Adding one is a file, a line here, and a test.
public enum ObjectiveRegistry {
  /// Every objective: those of the project, then registered ones.
  public static var entries: [ObjectiveEntry] { own + registered.withLock { $0 } }

  private static let registered = Mutex<[ObjectiveEntry]>([])

  /// Adds objectives that another package or a test brings, before the first use of the registry.
  ///
  /// - Precondition: their names are new.
  public static func register(_ entries: [ObjectiveEntry]) {
    registered.withLock {
      $0 += entries
      precondition(Set((own + $0).map(\.name)).count == own.count + $0.count, "two objectives of one name")
    }
  }

  private static let own: [ObjectiveEntry] = [
    ObjectiveEntry(Autoregressive.self),
    ObjectiveEntry(DiverseAutoregressive.self),
    ObjectiveEntry(MaskedLanguageModel.self),
    ObjectiveEntry(VariableLengthMasks.self),
    ObjectiveEntry(FullyExploredMasks.self),
    ObjectiveEntry(MaskEnhancedAutoregressive.self),
    ObjectiveEntry(Electra.self),
    ObjectiveEntry(Electric.self),
    ObjectiveEntry(RetroMAE.self),
    ObjectiveEntry(DupMAE.self),
    ObjectiveEntry(MaskedSetPrediction.self),
    ObjectiveEntry(MAE.self),
    ObjectiveEntry(SimMIM.self),
    ObjectiveEntry(MTO.self),
    ObjectiveEntry(HybridDistill.self),
    ObjectiveEntry(ColorMAE.self),
    ObjectiveEntry(WholeHeart.self),
    ObjectiveEntry(TiMAE.self),
    ObjectiveEntry(NextValues.self),
    ObjectiveEntry(DiverseValues.self),
    ObjectiveEntry(VariableLengthPatches.self),
    ObjectiveEntry(FullyExploredPatches.self),
    ObjectiveEntry(TERA.self),
    ObjectiveEntry(GlucoFM.self),
    ObjectiveEntry(XMAE.self),
    ObjectiveEntry(TrajectoryMAE.self),
    ObjectiveEntry(HPM.self),
    ObjectiveEntry(LUT.self),
  ]

  /// Those that a model of this shape can be evaluated with, the most usual first.
  public static func entries(fitting model: ModelConfiguration) -> [ObjectiveEntry] {
    entries.filter { $0.defaultRequirements.fits(model) }
  }

  public static func entry(named name: String) -> ObjectiveEntry? { entries.first { $0.name == name } }
}
