import Core
import Foundation
import Safetensors
import Storage

extension ModelConfiguration {
  /// Reads `config.json` of a Hugging Face folder: GPT-2, BERT, ELECTRA and Llama in the shapes this project computes
  /// exactly.
  ///
  /// - Throws: `CheckpointError` that names the setting, its value and what is supported.
  public init(huggingFace folder: String) throws(CheckpointError) {
    let path = folder + "/" + CheckpointFile.configuration
    guard Folders.isFile(path) else {
      throw CheckpointError(
        "import", folder, "it has no config.json", remedy: "Give a folder that AutoModel.from_pretrained would accept.")
    }
    try self.init(huggingFaceJSON: Folders.read(path), path: path)
  }

  /// The same from the bytes of a `config.json`; `path` is for errors.
  public init(huggingFaceJSON bytes: [UInt8], path: String) throws(CheckpointError) {
    let document: JSONValue
    do { document = try JSONValue.parse(bytes) } catch {
      throw CheckpointError("import", path, "it is not valid JSON: \(error)")
    }
    let settings = HuggingFaceSettings(document: document, path: path)
    if let head = document["architectures"]?.array?.first?.string, head.hasSuffix("ForSequenceClassification") {
      throw CheckpointError(
        "import", path, "it is a classifier, \(head)",
        remedy: "transformers opens it; name the pretrained model it was made from here.")
    }
    let model = try settings.model()
    try settings.check(model)
    self = model
  }
}

/// The settings of a `config.json`, read strictly: a value that would change the arithmetic is refused.
public struct HuggingFaceSettings: Sendable {
  /// The whole file.
  public let document: JSONValue
  /// Of the file, for errors.
  public let path: String

  public init(document: JSONValue, path: String) { (self.document, self.path) = (document, path) }

  /// `config.json` of a folder.
  init(folder: String) throws(CheckpointError) {
    let path = folder + "/" + CheckpointFile.configuration
    do { self.init(document: try JSONValue.parse(try Folders.read(path)), path: path) } catch let error
      as CheckpointError
    { throw error } catch {
      throw CheckpointError("import", path, "it is not valid JSON: \(error)")
    }
  }

  /// The family that the file names by its type and its architecture; nil for none.
  public var family: (any ModelFamily.Type)? {
    ModelFamilies.all.first { $0.modelType == document["model_type"]?.string && $0.isNamed(by: self) }
  }

  /// The model that the file describes, by its family.
  func model() throws(CheckpointError) -> ModelConfiguration {
    let type = document["model_type"]?.string
    if type == "lockstep" { return try lockstep() }
    if let family { return try family.read(self) }
    let types = ModelFamilies.all.reduce(into: [String]()) { if !$0.contains($1.modelType) { $0.append($1.modelType) } }
    throw CheckpointError(
      "import", path, "model_type is \(type ?? "missing")",
      remedy: "\(types.dropLast().joined(separator: ", ")) and \(types.last ?? "") can be imported.")
  }

  /// The error for a value that is not supported.
  public func refuse(_ key: String, _ value: JSONValue?, _ rule: String) -> CheckpointError {
    CheckpointError("import", path, "\(key) is \(value?.compact ?? "missing"); \(rule)")
  }

  /// A number the model cannot do without.
  public func count(_ keys: String..., default fallback: Int? = nil) throws(CheckpointError) -> Int {
    guard let key = keys.first(where: { present($0) != nil }) else {
      if let fallback { return fallback }
      throw refuse(keys[0], nil, "it must be a whole number")
    }
    guard let value = document[key]?.integer, (0...1 << 40).contains(value) else {
      throw refuse(key, document[key], "it must be a whole number")
    }
    return value
  }

  /// A number, or the library's default where the file has none.
  public func float(_ key: String, default fallback: Float) throws(CheckpointError) -> Float {
    guard let value = present(key) else { return fallback }
    guard case .number(let text) = value, let number = Float(text) else {
      throw refuse(key, value, "it must be a number")
    }
    return number
  }

  /// True or false, or the library's default where the file has none.
  public func flag(_ key: String, default fallback: Bool) throws(CheckpointError) -> Bool {
    guard let value = present(key) else { return fallback }
    guard let flag = value.bool else { throw refuse(key, value, "it must be true or false") }
    return flag
  }

  /// The member, unless it is missing or null.
  public func present(_ key: String) -> JSONValue? { document[key].flatMap { $0 == .null ? nil : $0 } }

  /// Refuses a key whose value is there and is not one of these.
  public func require(_ key: String, _ allowed: JSONValue..., because rule: String) throws(CheckpointError) {
    guard let value = present(key), !allowed.contains(value) else { return }
    throw refuse(key, value, rule)
  }

  /// An activation by the library's name.
  public func activation(_ key: String, default fallback: String) throws(CheckpointError)
    -> ModelConfiguration.Activation
  {
    switch present(key)?.string ?? fallback {
    case "gelu": return .gelu
    case "gelu_new", "gelu_pytorch_tanh": return .geluTanh
    default: throw refuse(key, document[key], "gelu, gelu_new and gelu_pytorch_tanh are supported")
    }
  }

  /// The rules every shape obeys, in the terms of this project.
  func check(_ model: ModelConfiguration) throws(CheckpointError) {
    guard let problem = model.problems(prefix: "model").first else { return }
    throw CheckpointError("import", path, "\(problem.key) \(problem.sentence)")
  }

  /// What `HuggingFaceConfiguration` writes where no class fits.
  func lockstep() throws(CheckpointError) -> ModelConfiguration {
    do {
      // What files of earlier versions do not say.
      let later: [JSONValue.Member] = [
        .init("embedding_size", .integer(0)), .init("head", .string(ModelConfiguration.Head.vocabulary.rawValue)),
        .init("initializer_range", .number("0.02")), .init("position_grid", .array([])),
        .init("patch", .array([])),
        .init("leading_rows", .integer(0)), .init("learned_rows", .integer(0)),
      ]
      let members =
        (document.members ?? []).filter { $0.name != "model_type" } + later.filter { document[$0.name] == nil }
      return try JSONDecoder.snakeCase().decode(
        ModelConfiguration.self, from: Data(JSONValue.object(members).compact.utf8))
    } catch {
      throw CheckpointError("import", path, "it does not describe a model: \(decodingProblem(error))")
    }
  }
}
