import Core
import Kernels
import Layers
import Models
import Tensors

/// `traj-mae`: a masked autoencoder on sets, such as the lanes and agents of a driving scene. Some elements of each
/// type are hidden; of a hidden element the decoder knows the type and nothing else.
///
/// *Concretely:* a record is a set of elements with F numbers each, the first `element_types[0]` of type 0, the next of
/// type 1, and so on. Of the n elements of a type ⌊n · (1 - r)⌋ are visible, at least one. In encoder and decoder an
/// element of type t has row t of the position table in place of its own, so order within a type has no meaning; the
/// table is trained (`position_embedding = "learned"`) or fixed (`"sin-cos"`). L = Σ m·ℓ / Σ m over hidden elements, ℓ
/// the mean over F of (ŷ - y)² or of the smooth L1 loss with β = 1.
///
/// All hidden elements of one type have one prediction: the best one is the mean of what they can be.
///
/// Differences from the paper: one encoder for all elements; positions of hidden elements are not given, because where
/// they are is a part of what is predicted. Maps and trajectories are not synthesised here: that is the corpus.
///
/// Reference: Li et al., "Pre-training on synthetic driving data for trajectory prediction", 2023, arXiv 2309.10121.
public struct TrajectoryMAE: ReconstructionObjective {
  /// How a number is scored.
  public enum Loss: String, Codable, Sendable, CaseIterable {
    /// (ŷ - y)².
    case l2
    /// ½(ŷ - y)² where |ŷ - y| < 1, else |ŷ - y| - ½.
    case smoothL1 = "smooth-l1"
  }

  /// Types, what is hidden of each, and the loss.
  public struct OwnOptions: ObjectiveOptions {
    /// How many elements each type has, in the order of the record, as `"24,8"`; empty for one type.
    public var elementTypes = ""
    /// Share of the elements of each type that are hidden.
    public var maskRatio = 0.5
    /// How a number is scored.
    public var loss = Loss.smoothL1

    public static let sentences = [
      "element_types":
        "How many elements each type has, in the order of the record, such as \"24,8\"; empty for one type.",
      "mask_ratio": "Share of the elements of each type that are hidden, 0.01 … 0.99.",
      "loss": "How a number is scored: by its squared error, or by the smooth L1 loss.",
    ]

    public init() {}
  }

  /// Its own options and those of the decoder.
  public typealias Options = CombinedOptions<OwnOptions, DecoderOptions>

  public static let name = "traj-mae"
  public static let summary = "A masked autoencoder on sets of typed elements, such as lanes and agents of a scene."
  public static let paper = "Li et al. 2023, Pre-training on synthetic driving data, arXiv 2309.10121"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// The networks, and the loss of hidden elements.
  public let reconstruction: PatchReconstruction
  /// The elements of each type, and how many of them are visible.
  private let types: [Range<Int>]
  private let kept: [Int]

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name)
    guard grid.extent.count == 1, !grid.separateChannels else {
      throw ConfigurationError(
        "objective.name",
        "is \(Self.name), which needs records of one axis, elements, with all channels in one position.")
    }
    guard model.positionEmbedding == .learned || model.positionEmbedding == .sinCos else {
      throw ConfigurationError(
        "model.position_embedding", is: model.positionEmbedding.rawValue,
        rule: "\(Self.name) takes the embeddings of types from its table, so it must be learned or sin-cos.")
    }
    self.options = options
    types = try Self.types(options.elementTypes, positions: grid.positions)
    kept = types.map { keptCount(options.maskRatio, of: $0.count) }
    var shared = ReconstructionOptions()
    (shared.maskRatio, shared.normPixLoss) = (options.maskRatio, false)
    reconstruction = try PatchReconstruction(
      shared, options.own, model: model, data: data, objective: Self.name, kept: kept.reduce(0, +),
      loss: options.loss == .l2 ? .l2 : .smoothL1)
  }

  private static func types(_ text: String, positions: Int) throws(ConfigurationError) -> [Range<Int>] {
    let key = "objective.element_types"
    let parts = text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false)
    let counts = text.isEmpty ? [positions] : parts.compactMap { Int($0.filter { $0 != " " }) }
    guard text.isEmpty || counts.count == parts.count, counts.allSatisfy({ (1...positions).contains($0) }) else {
      throw ConfigurationError(key, is: text, rule: "it must be numbers of 1 … \(positions) separated by commas.")
    }
    guard counts.reduce(0, +) == positions else {
      throw ConfigurationError(
        key, is: text, rule: "its sum must be the \(positions) elements of a record and is \(counts.reduce(0, +)).")
    }
    guard counts.contains(where: { $0 >= 2 }) else {
      throw ConfigurationError(key, is: text, rule: "a type must have two elements at least, or none can be hidden.")
    }
    var (ranges, start) = ([Range<Int>](), 0)
    for count in counts {
      ranges.append(start..<start + count)
      start += count
    }
    return ranges
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    example(clean, visible: (0..<clean.count).map { shown(clean, $0, context) })
  }

  /// Samples that show these elements, in rising order and equally many of each.
  public func example(_ clean: SampleBatch, visible: [[Int]]) -> TrainingExample {
    var example = reconstruction.example(clean, visible: visible)
    for i in example.inputs.indices { example.inputs[i].positionIDs = typed(example.inputs[i].positionIDs) }
    return example
  }

  public var encoderInput: EncoderInput { .elements }

  /// Elements have no order in which one could be the next.
  public func predictor(hiding positions: [Int]) -> PositionPrediction {
    .unsupported("\(Self.name) reads elements by their type and not by their place")
  }

  public func whole(_ clean: SampleBatch) -> SequenceInput {
    var input = clean.patches(encoder.configuration)
    input.positionIDs = typed(input.positionIDs)
    return input
  }

  /// Rows of the position table by type: [CLS] first where there is one, then type 0.
  private func typed(_ positions: [Int32]) -> [Int32] {
    let leading = encoder.configuration.leadingRows
    let typeOf = types.enumerated().flatMap { type, range in range.map { _ in Int32(leading + type) } }
    return positions.map { $0 < leading ? $0 : typeOf[Int($0) - leading] }
  }

  /// The elements of a sample that are visible: a share of each type, and padding where a sample has fewer elements.
  private func shown(_ clean: SampleBatch, _ sample: Int, _ context: StepContext) -> [Int] {
    let real = Set(clean.realPositions(sample))
    var visible: [Int] = []
    for (type, range) in types.enumerated() {
      let own = range.filter { real.contains($0) }
      guard !own.isEmpty else { continue }
      let count = max(1, own.count * kept[type] / range.count)
      visible += randomSubset(own, count: count, context.random(clean.sampleIDs[sample], site: UInt32(type)))
    }
    let padding = (0..<clean.length).filter { !real.contains($0) }
    return (visible + padding.prefix(reconstruction.kept - visible.count)).sorted()
  }
}
