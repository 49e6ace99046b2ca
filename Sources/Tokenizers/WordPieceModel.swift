/// Longest-match-first subwords: the longest token that begins the word, then the longest continuation, and so on;
/// a word that cannot be covered is one unknown token.
///
/// Reference: Wu et al., "Google's Neural Machine Translation System", 2016, arXiv:1609.08144, section 4.1.
struct WordPieceModel: Sendable {
  let unknown: Int32
  /// Longer words, in characters, are unknown.
  let longestWord: Int
  private let heads: ByteStrings
  /// Tokens that begin with the prefix, without it, and their ids.
  private let continuations: ByteStrings
  private let continuationIDs: [Int32]
  private let longestToken: Int

  init(tokens: [[UInt8]], prefix: [UInt8], unknown: Int32, longestWord: Int) {
    heads = VocabularyReader.index(tokens)
    var continuations = ByteStrings(capacity: tokens.count)
    var ids: [Int32] = []
    for (id, token) in tokens.enumerated() where token.starts(with: prefix) {
      continuations.insert(Array(token.dropFirst(prefix.count)))
      ids.append(Int32(id))
    }
    self.continuations = continuations
    continuationIDs = ids
    longestToken = tokens.map(\.count).max() ?? 0
    (self.unknown, self.longestWord) = (unknown, longestWord)
  }

  /// Appends the ids of `word`. - Complexity: O(length · longest token).
  func encode(_ word: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    let before = ids.count
    let characters = word.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
    var start = 0
    while start < word.count, characters <= longestWord {
      guard let (id, end) = longestMatch(word, from: start) else { break }
      ids.append(id)
      start = end
    }
    guard start < word.count else { return }
    ids.removeSubrange(before...)
    ids.append(unknown)
  }

  private func longestMatch(_ word: UnsafeBufferPointer<UInt8>, from start: Int) -> (id: Int32, end: Int)? {
    var end = min(word.count, start + longestToken)
    while end > start {
      let piece = UnsafeBufferPointer(rebasing: word[start..<end])
      if start == 0 {
        if let id = heads.find(piece) { return (Int32(id), end) }
      } else if let index = continuations.find(piece) {
        return (continuationIDs[index], end)
      }
      end -= 1
      while end > start, end < word.count, word[end] & 0xC0 == 0x80 { end -= 1 }
    }
    return nil
  }
}
