/// A stretch of text between added tokens, or one of them.
enum Segment {
  case text(Range<Int>)
  case token(Int32)
}

/// Finds added tokens in text: the leftmost, then the longest, never overlapping.
///
/// A trie over bytes. Text that holds no first byte of a token costs one look-up a byte.
struct AddedTokenMatcher: Sendable {
  private let tokens: [AddedToken]
  private var startsToken = [Bool](repeating: false, count: 256)
  /// (node, byte) → node.
  private var edges = PairMap()
  /// Index into `tokens` of the token that ends at a node, or -1.
  private var ending: [Int32] = [-1]

  /// - Parameter pattern: the bytes to look for, per token; the content, or its normalized form.
  init(_ tokens: [AddedToken], pattern: (AddedToken) -> [UInt8] = \.content) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() { insert(pattern(token), Int32(index)) }
  }

  var isEmpty: Bool { ending.count == 1 }

  private mutating func insert(_ pattern: [UInt8], _ index: Int32) {
    guard let first = pattern.first else { return }
    startsToken[Int(first)] = true
    var node: Int32 = 0
    for byte in pattern {
      let next = edges.find(node, Int32(byte))
      if next != PairMap.absent {
        node = Int32(next)
      } else {
        edges.set(PairMap.key(node, Int32(byte)), UInt64(ending.count))
        node = Int32(ending.count)
        ending.append(-1)
      }
    }
    // Of two tokens with one normalized form the first counts.
    if ending[Int(node)] < 0 { ending[Int(node)] = index }
  }

  /// Calls `body` with the segments of `text[range]` in order. - Complexity: O(bytes), times the longest token at worst.
  func forEachSegment(_ text: UnsafePointer<UInt8>, _ range: Range<Int>, _ body: (Segment) -> Void) {
    guard !isEmpty else { return body(.text(range)) }
    var index = range.lowerBound
    var pending = range.lowerBound
    while index < range.upperBound {
      guard startsToken[Int(text[index])], let match = longest(text, index, range.upperBound) else {
        index += 1
        continue
      }
      let found = index..<match.end
      index = match.end
      let token = tokens[match.token]
      if token.singleWord, touchesWord(text, found, range) { continue }
      let start = token.leftStrip ? max(spaceStart(text, found.lowerBound, range.lowerBound), pending) : found.lowerBound
      if pending < start { body(.text(pending..<start)) }
      body(.token(token.id))
      pending = token.rightStrip ? spaceEnd(text, found.upperBound, range.upperBound) : found.upperBound
    }
    if pending < range.upperBound { body(.text(pending..<range.upperBound)) }
  }

  private func longest(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> (token: Int, end: Int)? {
    var node: Int32 = 0
    var best: (token: Int, end: Int)?
    var index = start
    while index < end {
      let next = edges.find(node, Int32(text[index]))
      guard next != PairMap.absent else { break }
      node = Int32(next)
      index += 1
      if ending[Int(node)] >= 0 { best = (Int(ending[Int(node)]), index) }
    }
    return best
  }

  private func touchesWord(_ text: UnsafePointer<UInt8>, _ found: Range<Int>, _ range: Range<Int>) -> Bool {
    if found.lowerBound > range.lowerBound {
      let before = UTF8Reader.decodeBackward(text, before: found.lowerBound, start: range.lowerBound)
      if CharacterClasses.of(before.value).contains(.word) { return true }
    }
    guard found.upperBound < range.upperBound else { return false }
    return CharacterClasses.of(UTF8Reader.decode(text, at: found.upperBound, end: range.upperBound).value).contains(.word)
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
