import Core
import Storage

/// Byte-level byte pair encoding, as in GPT-2: text is cut into pieces by a pattern, each piece is spelled in
/// bytes, and pairs of symbols are merged by rank. Any bytes can be encoded and come back unchanged, unless the
/// vocabulary lacks a byte or the tokenizer normalizes its text.
///
/// Reference: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, section 2.2.
public struct BytePairTokenizer: Tokenizer {
  public let vocabulary: Vocabulary
  let definition: BytePairDefinition
  let roles: SpecialRoles
  private let model: BytePairModel
  private let spellings: [[UInt8]]
  private let rawTokens: AddedTokenMatcher
  private let normalizedTokens: AddedTokenMatcher
  private let special: Set<Int32>
  private let addedIDs: Set<Int32>

  /// - Parameter merged: the id of each merge's result.
  init(_ definition: BytePairDefinition, merged: [Int32], roles: SpecialRoles) {
    self.definition = definition
    self.roles = roles
    model = BytePairModel(definition, merged: merged)
    var spellings = definition.tokens
    for token in definition.added where Int(token.id) >= spellings.count { spellings.append(token.content) }
    self.spellings = spellings
    vocabulary = roles.vocabulary(size: spellings.count, added: definition.added)
    rawTokens = AddedTokenMatcher(definition.added.filter { !$0.isNormalized })
    let composes = definition.composes
    normalizedTokens = AddedTokenMatcher(definition.added.filter(\.isNormalized)) {
      composes ? Composition.compose($0.content) : $0.content
    }
    special = Set(vocabulary.special)
    addedIDs = Set(definition.added.map(\.id))
  }

  // MARK: - Encoding

  public func encode(_ text: UnsafeBufferPointer<UInt8>, specialIsText: Bool, into ids: inout [Int32]) {
    guard let base = text.baseAddress else { return }
    var encoder = PieceEncoder(model, expecting: text.count)
    rawTokens.forEachSegment(base, 0..<text.count, specialIsText: specialIsText) { segment in
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range): encodeNormalizing(base, range, specialIsText, &encoder, &ids)
      }
    }
  }

  private func encodeNormalizing(
    _ text: UnsafePointer<UInt8>, _ range: Range<Int>, _ specialIsText: Bool, _ encoder: inout PieceEncoder,
    _ ids: inout [Int32]
  ) {
    if definition.composes,
      let composed = Composition.composeIfNeeded(
        UnsafeBufferPointer(start: text + range.lowerBound, count: range.count))
    {
      composed.withUnsafeBufferPointer { buffer in
        if let base = buffer.baseAddress { encodeNormalized(base, 0..<buffer.count, specialIsText, &encoder, &ids) }
      }
    } else {
      encodeNormalized(text, range, specialIsText, &encoder, &ids)
    }
  }

  private func encodeNormalized(
    _ text: UnsafePointer<UInt8>, _ range: Range<Int>, _ specialIsText: Bool, _ encoder: inout PieceEncoder,
    _ ids: inout [Int32]
  ) {
    normalizedTokens.forEachSegment(text, range, specialIsText: specialIsText) { segment in
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range): encodePrefixed(text, range, &encoder, &ids)
      }
    }
  }

  private func encodePrefixed(
    _ text: UnsafePointer<UInt8>, _ range: Range<Int>, _ encoder: inout PieceEncoder, _ ids: inout [Int32]
  ) {
    guard definition.addsPrefixSpace, !range.isEmpty, text[range.lowerBound] != UInt8(ascii: " ") else {
      return encodePieces(text, range, &encoder, &ids)
    }
    var copy = [UInt8(ascii: " ")]
    copy.append(contentsOf: UnsafeBufferPointer(start: text + range.lowerBound, count: range.count))
    copy.withUnsafeBufferPointer { buffer in
      if let base = buffer.baseAddress { encodePieces(base, 0..<buffer.count, &encoder, &ids) }
    }
  }

  private func encodePieces(
    _ text: UnsafePointer<UInt8>, _ range: Range<Int>, _ encoder: inout PieceEncoder, _ ids: inout [Int32]
  ) {
    let scanner = PieceScanner(text: text, end: range.upperBound, pattern: definition.pattern)
    var start = range.lowerBound
    while start < range.upperBound {
      let end = scanner.pieceEnd(from: start)
      encoder.encode(UnsafeBufferPointer(start: text + start, count: end - start), into: &ids)
      start = end
    }
  }

  // MARK: - Decoding

  public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    for id in ids where spellings.indices.contains(Int(id)) && !(skipSpecial && special.contains(id)) {
      let spelling = spellings[Int(id)]
      bytes += addedIDs.contains(id) ? spelling : ByteAlphabet.bytes(of: spelling) ?? spelling
    }
    return bytes
  }

  public var specialSpellings: [[UInt8]] { definition.added.lazy.filter(\.isSpecial).map(\.content) }

  public func token(_ id: Int32) -> String? {
    spellings.indices.contains(Int(id)) ? String(decoding: spellings[Int(id)], as: UTF8.self) : nil
  }

  // MARK: - Files

  public func tokenizerJSON() -> [UInt8] { definition.json.serialized() }

  public func tokenizerConfigJSON(maximumLength: Int) -> [UInt8] {
    roles.configurationJSON(maximumLength: maximumLength, token: token)
  }

  public func addingSpecials(_ wanted: [SpecialRole]) -> BytePairTokenizer {
    var definition = definition
    let roles = roles.adding(wanted, tokens: definition.tokens, maskStripsLeft: true, added: &definition.added)
    let merged = definition.merges.map { Int32(truncatingIfNeeded: model.merges.find($0.left, $0.right)) }
    return BytePairTokenizer(definition, merged: merged, roles: roles)
  }
}
