import Core
import Safetensors
import Storage

/// A class of the `transformers` library that computes exactly what some configurations describe: when it does, under
/// which names it keeps the parameters, and how its `config.json` is written and read.
///
/// A new family is one file with a type of this protocol, and a line in `ModelFamilies.all`.
public protocol ModelFamily: Sendable {
  /// The name in this project, unlike that of any other family.
  static var name: String { get }
  /// The class in `architectures` of `config.json`.
  static var architecture: String { get }
  /// `model_type` of `config.json`; several families may share one.
  static var modelType: String { get }
  /// What the class is for, as the Hub names it.
  static var pipeline: String { get }
  /// The class of the library that finds this one by `config.json`.
  static var autoClass: String { get }
  /// It reads token ids, of a vocabulary.
  static var readsTokens: Bool { get }
  /// It continues a text.
  static var generates: Bool { get }
  /// Value of `model.architecture` whose defaults are nearest.
  static var preset: String { get }
  /// Python that runs as it stands beside the model's files.
  static var usage: String { get }

  /// The settings that the class needs and `model` does not have; none where it computes exactly this model.
  static func unsupported(_ model: ModelConfiguration) -> [String]
  /// The tensors of `model.safetensors` in the class's order, and the parameters they are.
  static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor]
  /// The members of `config.json` that other families spell otherwise.
  static func settings(_ model: ModelConfiguration) -> [JSONValue.Member]
  /// Whether a `config.json` of this `modelType` is of this family, and not of another that shares the type.
  static func isNamed(by settings: HuggingFaceSettings) -> Bool
  /// Reads `config.json`.
  /// - Throws: `CheckpointError` for a setting that would change the arithmetic.
  static func read(_ settings: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration
  /// The class of sequence classification on the same encoder.
  static var classifier: ClassifierLayout { get }
}

extension ModelFamily {
  public static var generates: Bool { false }
  public static var readsTokens: Bool { true }
  public static func isNamed(by settings: HuggingFaceSettings) -> Bool { true }
}

/// The class of a family for sequence classification.
public struct ClassifierLayout: Sendable {
  public enum Form: String, Sendable {
    /// A linear layer on the last token that is no padding.
    case score
    /// On [CLS]: dense, tanh, linear.
    case pooler
    /// On [CLS]: dense, GELU, linear.
    case dense
    /// On [CLS]: linear.
    case linear
  }

  /// The class in `architectures`.
  public var architecture: String
  /// What stands on the encoder, and which of its states that reads.
  public var form: Form
  /// What the names of the encoder's tensors begin with.
  public var encoder: String
  /// The linear layers on top: the name in the file, the one here, whether its outputs are the classes (else as many as
  /// its inputs), and whether it has a bias.
  public var layers: [(file: String, name: String, scoresClasses: Bool, bias: Bool)]
}

/// All families. Adding one is a file and a line here.
public enum ModelFamilies {
  /// Where several compute a model, the first is taken.
  public static let all: [any ModelFamily.Type] = [
    GPT2Family.self, BERTFamily.self, LlamaFamily.self, ElectraFamily.self, ElectraGeneratorFamily.self,
    ViTMAEFamily.self, ViTMaskedImageFamily.self,
  ]

  public static func named(_ name: String) -> (any ModelFamily.Type)? { all.first { $0.name == name } }
}

extension ModelConfiguration {
  /// The family that computes this configuration, if there is one.
  public var huggingFaceFamily: (any ModelFamily.Type)? { ModelFamilies.all.first { isComputed(by: $0) } }

  /// Whether the class computes exactly this; several may.
  public func isComputed(by family: any ModelFamily.Type) -> Bool { family.unsupported(self).isEmpty }

  /// Why there is no Hugging Face class, in one sentence that names the nearest class and what it needs; nil when there
  /// is one.
  public var unsupportedByHuggingFace: String? {
    let candidates = ModelFamilies.all.map { (family: $0, needs: $0.unsupported(self)) }
    guard let nearest = candidates.min(by: { $0.needs.count < $1.needs.count }), !nearest.needs.isEmpty else {
      return nil
    }
    return """
      No Hugging Face class computes this model, so AutoModel cannot load its checkpoints; the nearest is \
      \(nearest.family.architecture), which needs \(nearest.needs.joined(separator: ", ")).
      """
  }
}

/// Collects settings that a class needs and a model does not have.
struct Requirements {
  private(set) var missing: [String] = []

  /// Nothing yet.
  init() {}

  /// - Parameter head: what the class's head is, and how a sentence names it.
  init(_ model: ModelConfiguration, head: ModelConfiguration.Head, _ headName: String) {
    need(model.inputSize == 0, "token inputs")
    need(model.head == head, headName)
  }

  mutating func need(_ holds: Bool, _ setting: String) {
    if !holds { missing.append(setting) }
  }
}
