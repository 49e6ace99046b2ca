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
  /// Every id that is not ordinary text, in rising order, without repetition. Never masked, never drawn as a random replacement.
  public var special: [Int32]

  public init(
    size: Int, pad: Int32? = nil, bos: Int32? = nil, eos: Int32? = nil, mask: Int32? = nil, cls: Int32? = nil, sep: Int32? = nil,
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
