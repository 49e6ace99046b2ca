import Core
import Storage

/// One token per byte: ids 0 … 255 are the bytes, then [PAD], [BOS], [EOS], [MASK], [CLS] and [SEP].
///
/// Needs no file, encodes anything, and is right for small experiments and for data that is not text.
public struct ByteTokenizer: Tokenizer {
  /// The special tokens in the order of their ids, the first of which is 256.
  public static let specials: [SpecialRole] = [.pad, .bos, .eos, .mask, .cls, .sep]

  public let vocabulary: Vocabulary
  private let roles: SpecialRoles
  private let added: [AddedToken]
  private let matcher: AddedTokenMatcher

  public init() {
    added = Self.specials.enumerated().map {
      AddedToken(id: Int32(256 + $0.offset), content: Array($0.element.spelling.utf8))
    }
    roles = SpecialRoles(added: added) { _ in nil }
    vocabulary = roles.vocabulary(size: 256 + added.count, added: added)
    matcher = AddedTokenMatcher(added)
  }

  public func encode(_ text: UnsafeBufferPointer<UInt8>, specialIsText: Bool, into ids: inout [Int32]) {
    guard let base = text.baseAddress else { return }
    ids.reserveCapacity(ids.count + text.count)
    matcher.forEachSegment(base, 0..<text.count, specialIsText: specialIsText) { segment in
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range): for index in range { ids.append(Int32(base[index])) }
      }
    }
  }

  public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    for id in ids {
      if let byte = UInt8(exactly: id) {
        bytes.append(byte)
      } else if !skipSpecial, let token = added.first(where: { $0.id == id }) {
        bytes += token.content
      }
    }
    return bytes
  }

  public var specialSpellings: [[UInt8]] { added.lazy.filter(\.isSpecial).map(\.content) }

  public func token(_ id: Int32) -> String? {
    if let byte = UInt8(exactly: id) { return String(ByteAlphabet.scalars[Int(byte)]) }
    return added.first { $0.id == id }.map { String(decoding: $0.content, as: UTF8.self) }
  }

  /// A byte-level BPE without merges, whose pre-tokenizer leaves the text whole.
  public func tokenizerJSON() -> [UInt8] {
    BytePairDefinition(tokens: ByteAlphabet.spellings, merges: [], added: added, pattern: .whole).json.serialized()
  }

  public func tokenizerConfigJSON(maximumLength: Int) -> [UInt8] {
    roles.configurationJSON(maximumLength: maximumLength, token: token)
  }

  /// The tokenizer itself: it has every role but `unknown`, which bytes do not need.
  public func addingSpecials(_ wanted: [SpecialRole]) -> ByteTokenizer { self }
}
