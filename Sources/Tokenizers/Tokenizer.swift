import Core

/// Turns bytes of text into token ids and back.
///
/// Implementations are immutable values, so that many threads encode with one of them.
public protocol Tokenizer: Sendable {
  /// Size and special ids.
  var vocabulary: Vocabulary { get }

  /// Appends the ids of `text` (UTF-8, or any bytes: byte-level tokenisers keep invalid UTF-8) to `ids`.
  /// No special token is added. Added tokens are found in the text as `tokenizer.json` says.
  ///
  /// - Parameter specialIsText: text that looks like a special token, such as `[MASK]`, is encoded as any other text:
  ///   `split_special_tokens` of the transformers library. Added tokens that are not special are found all the same.
  func encode(_ text: UnsafeBufferPointer<UInt8>, specialIsText: Bool, into ids: inout [Int32])

  /// The bytes the ids stand for; special ids are left out when `skipSpecial`.
  func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> [UInt8]

  /// The text of one id, as `tokenizer.json` spells it.
  func token(_ id: Int32) -> String?

  /// The special tokens that are found in a text, as they are written there.
  var specialSpellings: [[UInt8]] { get }

  /// Which tokens join into words.
  var wordEdges: WordEdges { get }

  /// `tokenizer.json` as the `tokenizers` library loads it; deterministic, byte for byte.
  func tokenizerJSON() -> [UInt8]

  /// `tokenizer_config.json` for `AutoTokenizer`.
  func tokenizerConfigJSON(maximumLength: Int) -> [UInt8]

  /// This tokenizer with the roles it lacks given to new tokens at the end of the vocabulary, such as [MASK] for
  /// masked pretraining on a decoder's vocabulary. Ids that exist keep their meaning.
  func addingSpecials(_ wanted: [SpecialRole]) -> Self
}

extension Tokenizer {
  /// Ids of a text in which special tokens are found, as a prompt may have them.
  public func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    encode(text, specialIsText: false, into: &ids)
  }

  public func encode(_ text: String, specialIsText: Bool = false) -> [Int32] {
    encode(Array(text.utf8), specialIsText: specialIsText)
  }

  public func encode(_ bytes: [UInt8], specialIsText: Bool = false) -> [Int32] {
    var ids: [Int32] = []
    bytes.withUnsafeBufferPointer { encode($0, specialIsText: specialIsText, into: &ids) }
    return ids
  }

  /// The text the ids stand for, invalid UTF-8 shown as U+FFFD.
  public func text(_ ids: some Sequence<Int32>, skipSpecial: Bool = true) -> String {
    String(decoding: decode(ids, skipSpecial: skipSpecial), as: UTF8.self)
  }
}
