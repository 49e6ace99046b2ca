import Core
import Foundation
import Safetensors
import Storage
import Tensors

/// A fine-tuned classifier as the `…ForSequenceClassification` class of its model family opens it.
///
/// The parameters are those of the encoder and of `classifier`: `classifier.weight`, and where the class has them
/// `classifier.bias`, `classifier.dense.weight` and `classifier.dense.bias`.
public struct SequenceClassifier: Sendable {
  public let family: any ModelFamily.Type
  private let configuration: ModelConfiguration
  private let classes: [String]

  /// - Parameter classes: names of the classes, in the order of the scores.
  /// - Throws: `CheckpointError` when no class of the library computes the encoder.
  public init(_ configuration: ModelConfiguration, classes: [String]) throws(CheckpointError) {
    guard let family = configuration.huggingFaceFamily else {
      let reason = configuration.unsupportedByHuggingFace ?? "No Hugging Face class computes this model."
      throw CheckpointError("save a classifier of", "this model", "\(reason.dropLast())", exitCode: .usage)
    }
    (self.family, self.configuration, self.classes) = (family, configuration, classes)
  }

  /// The class in `architectures`.
  public var architecture: String { family.classifier.architecture }

  /// The tensors of the file and the parameters that they are.
  func tensors() -> [HuggingFaceTensor] {
    let (width, layout) = (configuration.hiddenSize, family.classifier)
    var list = HuggingFaceNames.tensors(for: configuration, as: family).filter { $0.fileName.hasPrefix(layout.encoder) }
    func add(_ fileName: String, _ name: String, _ shape: [Int]) {
      list.append(HuggingFaceTensor(fileName: fileName, internalName: name, rows: nil, shape: shape))
    }
    for layer in layout.layers {
      let outputs = layer.scoresClasses ? classes.count : width
      add(layer.file + ".weight", layer.name + ".weight", [outputs, width])
      if layer.bias { add(layer.file + ".bias", layer.name + ".bias", [outputs]) }
    }
    return list
  }

  /// `config.json`: that of the encoder, with this class and its labels.
  ///
  /// A causal class reads the last token that is no padding, so it needs an id of padding: [PAD], or else the end of a
  /// document.
  func configurationJSON(_ vocabulary: Vocabulary) throws(CheckpointError) -> [UInt8] {
    let plain = HuggingFaceConfiguration.json(for: configuration, vocabulary: vocabulary, as: family)
    guard let members = (try? JSONValue.parse(plain))?.members else {
      preconditionFailure("the configuration that was just written is not a JSON object")
    }
    let padding = vocabulary.pad ?? vocabulary.endOfDocument
    let labels = classes.enumerated()
    let replaced: [JSONValue.Member] = [
      .init("architectures", .array([.string(architecture)])),
      .init("id2label", .object(labels.map { .init("\($0)", .string($1)) })),
      .init("label2id", .object(labels.map { .init($1, .integer($0)) })),
      .init("pad_token_id", padding.map { .integer($0) } ?? .null),
      .init("problem_type", .string("single_label_classification")),
    ]
    let names = Set(replaced.map(\.name))
    let all = members.filter { !names.contains($0.name) } + replaced
    return Array(JSONValue.object(all.sorted { $0.name < $1.name }).pretty.utf8)
  }

  /// Throws where `save` would fail for a reason that is known before the training.
  public static func check(target: String) throws(CheckpointError) {
    try NewFolder.check(target, "save to")
  }

  /// Writes the folder, which appears when it is complete.
  ///
  /// - Parameters:
  ///   - tokenizer: the folder whose tokeniser files are copied.
  ///   - target: must not exist.
  /// - Throws: `CheckpointError`.
  public func save(_ parameters: ParameterStore, _ vocabulary: Vocabulary, tokenizer: String, to target: String)
    throws(CheckpointError)
  {
    try NewFolder.write(target, "save to") { temporary throws(CheckpointError) in
      try SafetensorsWriter.write(parts(of: parameters), to: temporary + "/" + CheckpointFile.model)
      try write(try configurationJSON(vocabulary), to: temporary + "/" + CheckpointFile.configuration)
      for name in Self.tokenizerFiles where Folders.isFile(tokenizer + "/" + name) {
        try write(try Folders.read(tokenizer + "/" + name), to: temporary + "/" + name)
      }
    }
  }

  /// What `AutoTokenizer` may read.
  static let tokenizerFiles = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "vocab.txt",
  ]

  private func parts(of store: ParameterStore) -> [NamedTensor] {
    tensors().map { tensor in
      guard let view = tensor.view(in: store) else {
        preconditionFailure(
          "the classifier declares no parameter \(tensor.internalName), which \(tensor.fileName) is made of")
      }
      return NamedTensor(tensor.fileName, shape: tensor.shape, view: view, of: store)
    }
  }

  private func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    try CheckpointError.wrapping { () throws(FileError) in try AtomicFile.write(bytes, to: path) }
  }
}
