import Core
import Storage

/// What BERT does to text before it is cut: cleaning, spaces around CJK ideographs, accents, case.
///
/// Reference: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2018,
/// arXiv:1810.04805.
struct BertNormalizer: Sendable, Equatable {
  /// Removes control characters and makes every white space a blank.
  var cleans = true
  /// Puts blanks around CJK ideographs, so that each is a word.
  var separatesIdeographs = true
  /// Removes accents; nil: when lower-casing.
  var stripsAccents: Bool?
  var lowercases = true

  /// - Throws: `DataError` when `json` is another normalizer.
  init(_ json: ByteJSON, place: String) throws(DataError) {
    guard json["type"]?.string == "BertNormalizer" else {
      throw DataError(
        place,
        "the normalizer of the WordPiece model is of type \(json["type"]?.string ?? "(none)"), which Lockstep does not support.",
        remedy: "Use BertNormalizer.")
    }
    self.init()
    cleans = try json.flag("clean_text", true, place: place)
    separatesIdeographs = try json.flag("handle_chinese_chars", true, place: place)
    stripsAccents = json["strip_accents"] == nil ? nil : try json.flag("strip_accents", true, place: place)
    lowercases = try json.flag("lowercase", true, place: place)
  }

  init(cleans: Bool = true, separatesIdeographs: Bool = true, stripsAccents: Bool? = nil, lowercases: Bool = true) {
    (self.cleans, self.separatesIdeographs) = (cleans, separatesIdeographs)
    (self.stripsAccents, self.lowercases) = (stripsAccents, lowercases)
  }

  var json: ByteJSON {
    .members([
      "type": .text("BertNormalizer"), "clean_text": .bool(cleans), "handle_chinese_chars": .bool(separatesIdeographs),
      "strip_accents": stripsAccents.map { .bool($0) } ?? .null, "lowercase": .bool(lowercases),
    ])
  }

  /// The normalized text, always valid UTF-8: an invalid byte counts as U+FFFD, which cleaning removes.
  func normalize(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(text.count + text.count / 8)
    var isASCII = true
    Self.forEachScalar(text) { value in
      if value >= 0x80 { isASCII = false }
      clean(value, into: &output)
    }
    if !isASCII, stripsAccents ?? lowercases {
      let decomposed = Composition.decompose(output)
      output.removeAll(keepingCapacity: true)
      Self.forEachScalar(decomposed) { if !CharacterClasses.of($0).contains(.accent) { Self.append($0, to: &output) } }
    }
    if lowercases { lowercase(&output, isASCII: isASCII) }
    return output
  }

  private func clean(_ value: UInt32, into output: inout [UInt8]) {
    let classes = CharacterClasses.of(value)
    if cleans {
      if classes.contains(.removed) { return }
      if classes.contains(.space) { return output.append(UInt8(ascii: " ")) }
    }
    let separate = separatesIdeographs && Self.isIdeograph(value)
    if separate { output.append(UInt8(ascii: " ")) }
    Self.append(value, to: &output)
    if separate { output.append(UInt8(ascii: " ")) }
  }

  private func lowercase(_ text: inout [UInt8], isASCII: Bool) {
    if isASCII {
      for index in text.indices where (0x41...0x5A).contains(text[index]) { text[index] |= 0x20 }
      return
    }
    var output: [UInt8] = []
    output.reserveCapacity(text.count)
    Self.forEachScalar(text) { value in
      if value < 0x80 {
        output.append(UInt8(value) | ((0x41...0x5A).contains(value) ? 0x20 : 0))
      } else if let scalar = Unicode.Scalar(value) {
        output += scalar.properties.lowercaseMapping.utf8
      }
    }
    text = output
  }

  /// The blocks BERT takes for ideographs, with the block of extension E as the `tokenizers` library has it.
  private static func isIdeograph(_ value: UInt32) -> Bool {
    switch value {
    case 0..<0x3400: false
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F, 0x2B920...0x2CEAF,
      0x2F800...0x2FA1F:
      true
    default: false
    }
  }

  private static func append(_ value: UInt32, to output: inout [UInt8]) {
    if value < 0x80 { return output.append(UInt8(value)) }
    if let scalar = Unicode.Scalar(value) { output += UTF8.encode(scalar).map { Array($0) } ?? [] }
  }

  private static func forEachScalar(_ text: [UInt8], _ body: (UInt32) -> Void) {
    text.withUnsafeBufferPointer { forEachScalar($0, body) }
  }

  private static func forEachScalar(_ text: UnsafeBufferPointer<UInt8>, _ body: (UInt32) -> Void) {
    guard let base = text.baseAddress else { return }
    var index = 0
    while index < text.count {
      let scalar = UTF8Reader.decode(base, at: index, end: text.count)
      body(scalar.value == UTF8Reader.invalid ? 0xFFFD : scalar.value)
      index += scalar.length
    }
  }
}
