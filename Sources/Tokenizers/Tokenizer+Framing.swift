import Core
import Storage

extension Tokenizer {
  /// `tokenizer.json` with which `AutoTokenizer` puts [CLS] before a text and [SEP] behind it, as a model that was
  /// trained on framed text expects. Encoding here adds neither, with either file.
  ///
  /// A post-processor that is there already, other than that of byte-level BPE, which only concerns offsets, stays.
  /// - Throws: `DataError` when the tokenizer lacks one of the two tokens.
  public func framedTokenizerJSON() throws(DataError) -> [UInt8] {
    guard let cls = vocabulary.cls, let sep = vocabulary.sep, let first = token(cls), let last = token(sep) else {
      throw DataError("tokenizer.json", "has no [CLS] and [SEP] to frame a text with.")
    }
    let json = tokenizerJSON()
    let parsed = try ByteJSONReader.parse(json, place: "tokenizer.json")
    let present = parsed["post_processor"]
    guard let members = parsed.object, present == nil || present?["type"]?.string == "ByteLevel" else { return json }
    let template = WordPieceDefinition.bertTemplate(cls: cls, sep: sep, names: (first, last))
    return ByteJSON.object(
      members.map { $0.name.elementsEqual("post_processor".utf8) ? ByteJSONMember(name: $0.name, value: template) : $0 }
    ).serialized()
  }
}
