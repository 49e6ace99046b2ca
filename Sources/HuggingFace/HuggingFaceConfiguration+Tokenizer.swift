import Core
import Safetensors
import Storage

extension HuggingFaceConfiguration {
  /// `tokenizer_config.json` for a model that reads `context` tokens: with `truncation=True` the transformers library
  /// cuts a text at `model_max_length`. A corpus does not know what model will read it.
  ///
  /// - Parameter path: what errors call the file.
  /// - Throws: `CheckpointError` when the bytes are no JSON object.
  public static func tokenizerJSON(_ configuration: [UInt8], context: Int, path: String) throws(CheckpointError)
    -> [UInt8]
  {
    let members: [JSONValue.Member]?
    do { members = try JSONValue.parse(configuration).members } catch {
      throw CheckpointError("read", path, "it is not valid JSON: \(error)", remedy: "Prepare the corpus again.")
    }
    guard let members else {
      throw CheckpointError("read", path, "it is not a JSON object", remedy: "Prepare the corpus again.")
    }
    let key = "model_max_length"
    let length = JSONValue.Member(key, .integer(context))
    let changed = members.map { $0.name == key ? length : $0 } + (members.contains { $0.name == key } ? [] : [length])
    return Array(JSONValue.object(changed).pretty.utf8)
  }
}
