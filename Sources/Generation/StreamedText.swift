import Core
import Tokenizers

/// The bytes of a text as its tokens come, one token's bytes at a time.
///
/// What a token adds depends on the tokens before it at most by whether there are any: word pieces begin with a blank
/// behind another token only. So each is decoded behind one token, not behind the whole text.
public struct StreamedText {
  private let tokenizer: any Tokenizer
  private var previous: [Int32] = []
  private var previousBytes = 0

  /// - Parameter start: tokens before the text.
  public init(_ tokenizer: any Tokenizer, after start: [Int32]) {
    self.tokenizer = tokenizer
    // Special tokens add no bytes and join nothing.
    if let last = start.last(where: { !tokenizer.vocabulary.special.contains($0) }) {
      previous = [last]
      previousBytes = tokenizer.decode(previous, skipSpecial: true).count
    }
  }

  /// The bytes that `token` adds.
  public mutating func bytes(of token: Int32) -> [UInt8] {
    let joined = tokenizer.decode(previous + [token], skipSpecial: true)
    guard !tokenizer.vocabulary.special.contains(token) else { return Array(joined.dropFirst(previousBytes)) }
    let added = Array(joined.dropFirst(previousBytes))
    previous = [token]
    previousBytes = tokenizer.decode(previous, skipSpecial: true).count
    return added
  }
}
