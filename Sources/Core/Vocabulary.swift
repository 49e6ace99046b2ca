/// What objectives and models need to know of a tokeniser: its size and its special ids.
public struct Vocabulary: Codable, Sendable, Equatable {
  /// Number of ids, special ones included; ids are 0 ..< size.
  public var size: Int
  public var pad: Int32?
  public var bos: Int32?
  public var eos: Int32?
  public var mask: Int32?
  public var cls: Int32?
  public var sep: Int32?
  public var unknown: Int32?
  /// Every id that is not ordinary text, in rising order, without repetition. Never masked, never drawn as a random
  /// replacement.
  public var special: [Int32]
  /// Rows of the embedding of the model that the corpus is trained from, where it has more than there are tokens. No
  /// part of `corpus.json`.
  public var rows: Int?
  /// Where tokens join into words; nil where no tokeniser has said so. No part of `corpus.json`: whoever opens a corpus
  /// asks its tokeniser.
  public var words: WordEdges?

  private enum CodingKeys: String, CodingKey { case size, pad, bos, eos, mask, cls, sep, unknown, special }

  public init(
    size: Int, pad: Int32? = nil, bos: Int32? = nil, eos: Int32? = nil, mask: Int32? = nil, cls: Int32? = nil,
    sep: Int32? = nil,
    unknown: Int32? = nil, special: [Int32]? = nil
  ) {
    self.size = size
    (self.pad, self.bos, self.eos, self.mask) = (pad, bos, eos, mask)
    (self.cls, self.sep, self.unknown) = (cls, sep, unknown)
    self.special = special ?? Array(Set([pad, bos, eos, mask, cls, sep, unknown].compactMap { $0 })).sorted()
  }

  /// What ends a document in a shard: [EOS], or [SEP] where a vocabulary has no [EOS] (BERT).
  public var endOfDocument: Int32? { eos ?? sep }
}

/// Which tokens join into words: what hiding whole words must know of a tokeniser.
///
/// *Concretely:* two tokens that follow each other are of one word where the first closes inside a word and the second
/// opens inside one.
public struct WordEdges: Sendable, Equatable {
  /// By id: the token may go on with the word before it.
  public let opensInside: [Bool]
  /// By id: its word may go on in the token after it.
  public let closesInside: [Bool]

  /// - Precondition: one entry an id in both.
  public init(opensInside: [Bool], closesInside: [Bool]) {
    precondition(opensInside.count == closesInside.count, "word edges need one entry an id")
    (self.opensInside, self.closesInside) = (opensInside, closesInside)
  }

  /// Whether `right` goes on with the word that `left` is of. An id outside the vocabulary joins nothing.
  public func joins(_ left: Int32, _ right: Int32) -> Bool {
    guard closesInside.indices.contains(Int(left)), opensInside.indices.contains(Int(right)) else { return false }
    return closesInside[Int(left)] && opensInside[Int(right)]
  }
}
