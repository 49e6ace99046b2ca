import Storage

/// A stretch of text between added tokens, or one of them.
enum Segment {
  case text(Range<Int>)
  case token(Int32)
}

/// Finds added tokens in text: the leftmost, then the longest, never overlapping.
///
/// Text that holds no first byte of a token costs one look-up a byte.
struct AddedTokenMatcher: Sendable {
  private let tokens: [AddedToken]
  private let patterns: SortedPatterns

  /// - Parameter pattern: the bytes to look for, per token; the content, or its normalized form.
  init(_ tokens: [AddedToken], pattern: (AddedToken) -> [UInt8] = \.content) {
    self.tokens = tokens
    patterns = SortedPatterns(tokens.map(pattern))
  }

  /// Calls `body` with the segments of `text[range]` in order.
  /// - Parameter specialIsText: leave special tokens in the text.
  /// - Complexity: O(bytes), times the longest token at worst.
  func forEachSegment(_ text: UnsafePointer<UInt8>, _ range: Range<Int>, specialIsText: Bool, _ body: (Segment) -> Void)
  {
    guard !patterns.isEmpty else { return body(.text(range)) }
    var index = range.lowerBound
    var pending = range.lowerBound
    while index < range.upperBound {
      guard let match = patterns.longest(text, index, range.upperBound) else {
        index += 1
        continue
      }
      let found = index..<match.end
      index = match.end
      let token = tokens[match.index]
      if specialIsText, token.isSpecial { continue }
      if token.singleWord, touchesWord(text, found, range) { continue }
      let start =
        token.leftStrip ? max(spaceStart(text, found.lowerBound, range.lowerBound), pending) : found.lowerBound
      if pending < start { body(.text(pending..<start)) }
      body(.token(token.id))
      pending = token.rightStrip ? spaceEnd(text, found.upperBound, range.upperBound) : found.upperBound
    }
    if pending < range.upperBound { body(.text(pending..<range.upperBound)) }
  }

  private func touchesWord(_ text: UnsafePointer<UInt8>, _ found: Range<Int>, _ range: Range<Int>) -> Bool {
    if found.lowerBound > range.lowerBound {
      let before = UTF8Reader.decodeBackward(text, before: found.lowerBound, start: range.lowerBound)
      if CharacterClasses.of(before.value).contains(.word) { return true }
    }
    guard found.upperBound < range.upperBound else { return false }
    return CharacterClasses.of(UTF8Reader.decode(text, at: found.upperBound, end: range.upperBound).value).contains(
      .word)
  }

  private func spaceStart(_ text: UnsafePointer<UInt8>, _ end: Int, _ lowest: Int) -> Int {
    var index = end
    while index > lowest {
      let scalar = UTF8Reader.decodeBackward(text, before: index, start: lowest)
      guard CharacterClasses.of(scalar.value).contains(.space) else { break }
      index -= scalar.length
    }
    return index
  }

  private func spaceEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end {
      let scalar = UTF8Reader.decode(text, at: index, end: end)
      guard CharacterClasses.of(scalar.value).contains(.space) else { break }
      index += scalar.length
    }
    return index
  }
}
