/// Finds special tokens that a text writes out, such as `<|endoftext|>` between its documents.
public struct WrittenSpecials: Sendable {
  private let patterns: SortedPatterns

  public init(_ tokenizer: any Tokenizer) { patterns = SortedPatterns(tokenizer.specialSpellings) }

  /// - Complexity: one look-up a byte where no special token begins.
  public func areIn(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = text.baseAddress, !patterns.isEmpty else { return false }
    return text.indices.contains { patterns.longest(base, $0, text.count) != nil }
  }
}
