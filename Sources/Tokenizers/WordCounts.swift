import Core
import Dispatch

/// How often each piece of text occurs: all that training a vocabulary needs to know of the text.
///
/// A value: count parts of the text in any order, on any number of threads, and merge them; the sums, and so
/// the trained vocabulary, are the same.
public struct WordCounts: Sendable {
  private var words = ByteStrings(capacity: 1 << 10)
  private var counts: [Int64] = []

  /// Longer pieces are counted in parts of this many bytes. Text without spaces would otherwise be one word, and every
  /// merge would walk through all of it.
  static let longestWord = 1024

  public init() {}

  /// Number of different pieces.
  public var distinctCount: Int { words.count }

  /// Number of pieces counted.
  public var totalCount: Int64 { counts.reduce(0, +) }

  /// Adds the pieces of `text`, cut by GPT-2's pattern. - Complexity: O(bytes); about 50 bytes of memory per new piece.
  public mutating func count(_ text: UnsafeBufferPointer<UInt8>) {
    guard let base = text.baseAddress else { return }
    let scanner = PieceScanner(text: base, end: text.count, pattern: .gpt2)
    var start = 0
    while start < text.count {
      let end = scanner.pieceEnd(from: start)
      while start < end {
        let length = min(end - start, Self.longestWord)
        add(UnsafeBufferPointer(start: base + start, count: length), 1)
        start += length
      }
    }
  }

  /// Adds the pieces of `text` with `threads` threads; the same sums as with one.
  public mutating func count(_ text: UnsafeBufferPointer<UInt8>, threads: Int) {
    let parts = Self.parts(of: text, count: threads)
    guard parts.count > 1 else { return count(text) }
    var partial = [WordCounts](repeating: WordCounts(), count: parts.count)
    partial.withUnsafeMutableBufferPointer { buffer in
      let shared = Shared(counts: buffer, text: text)
      DispatchQueue.concurrentPerform(iterations: parts.count) { index in
        shared.counts[index].count(UnsafeBufferPointer(rebasing: shared.text[parts[index]]))
      }
    }
    for part in partial { merge(part) }
  }

  /// Adds the counts of `other`.
  public mutating func merge(_ other: WordCounts) {
    for index in 0..<other.words.count {
      other.words.withBytes(index) { add($0, other.counts[index]) }
    }
  }

  private mutating func add(_ word: UnsafeBufferPointer<UInt8>, _ amount: Int64) {
    let (index, isNew) = words.insert(word)
    if isNew { counts.append(amount) } else { counts[index] += amount }
  }

  func forEach(_ body: (UnsafeBufferPointer<UInt8>, Int64) -> Void) {
    for index in 0..<words.count { words.withBytes(index) { body($0, counts[index]) } }
  }

  /// Cuts text where a visible ASCII character is followed by a space or a line end: no piece reaches across such a
  /// place and no look-ahead sees beyond it.
  private static func parts(of text: UnsafeBufferPointer<UInt8>, count: Int) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start = 0
    for part in 1...max(count, 1) where start < text.count {
      var cut = part >= count ? text.count : max(text.count / count * part, start + 1)
      while cut < text.count, !((0x21...0x7E).contains(text[cut - 1]) && (text[cut] == 0x20 || text[cut] == 0x0A)) {
        cut += 1
      }
      ranges.append(start..<cut)
      start = cut
    }
    return ranges
  }

  // Sendable: each thread writes one element of `counts`, its own, and only reads `text`.
  private struct Shared: @unchecked Sendable {
    let counts: UnsafeMutableBufferPointer<WordCounts>
    let text: UnsafeBufferPointer<UInt8>
  }
}
