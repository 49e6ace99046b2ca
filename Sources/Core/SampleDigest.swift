/// A bijection of 64-bit words in which every bit of the result depends on every bit of the argument.
///
/// Reference: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
/// doi:10.1145/2660193.2660195.
@inlinable public func mix64(_ word: UInt64) -> UInt64 {
  var z = word &+ 0x9E37_79B9_7F4A_7C15
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}

/// Which samples were used, as sums that do not depend on order: a doubled, a left out or another sample changes them,
/// but for a chance of 2⁻⁶⁴.
///
/// *Concretely:* of one sample, `order` is mix64(mix64(position) + index), with its place in the stream and the sample
/// of the epoch that was read there, and `content` is mix64(`order` ⊕ mix64(digest of its tokens)). Digests of several
/// samples are added with wrapping.
public struct SampleDigest: Sendable, Equatable {
  public var samples: Int
  /// Of positions and indices: what can be computed again without the corpus.
  public var order: UInt64
  /// Of positions, indices and tokens.
  public var content: UInt64

  public init(samples: Int = 0, order: UInt64 = 0, content: UInt64 = 0) {
    (self.samples, self.order, self.content) = (samples, order, content)
  }

  /// The digest of one sample. - Parameter tokens: its `SampleBatch.contentDigest`.
  public init(position: UInt64, index: UInt64, tokens: UInt64) {
    let order = mix64(mix64(position) &+ index)
    self.init(samples: 1, order: order, content: mix64(order ^ mix64(tokens)))
  }

  public static func &+ (a: SampleDigest, b: SampleDigest) -> SampleDigest {
    SampleDigest(samples: a.samples &+ b.samples, order: a.order &+ b.order, content: a.content &+ b.content)
  }

  public static func &- (a: SampleDigest, b: SampleDigest) -> SampleDigest {
    SampleDigest(samples: a.samples &- b.samples, order: a.order &- b.order, content: a.content &- b.content)
  }

  public static func &+= (a: inout SampleDigest, b: SampleDigest) { a = a &+ b }

  /// The samples of a micro-batch, bound to the place in the run where they were trained on: a batch trained on in
  /// another step than its own is then found, although every sample was used once.
  ///
  /// - Parameter number: step × micro-batches per step + index in the step.
  public func trained(asMicroBatch number: Int) -> SampleDigest {
    let place = mix64(UInt64(number))
    return SampleDigest(samples: samples, order: mix64(order &+ place), content: mix64(content &+ place))
  }

  // MARK: - Over ranks

  /// Numbers whose sums over ranks give the digest of the sum. The words are halved, so that no sum of 64-bit integers
  /// overflows.
  public var words: [Int64] {
    func halves(_ word: UInt64) -> [Int64] { [Int64(word & 0xFFFF_FFFF), Int64(word >> 32)] }
    return [Int64(samples)] + halves(order) + halves(content)
  }

  /// - Precondition: five words, as `words` gives them or sums of such.
  public init(words: [Int64]) {
    precondition(words.count == 5, "a digest of samples has 5 words, not \(words.count)")
    func whole(_ low: Int64, _ high: Int64) -> UInt64 { UInt64(bitPattern: low) &+ UInt64(bitPattern: high) << 32 }
    self.init(samples: Int(words[0]), order: whole(words[1], words[2]), content: whole(words[3], words[4]))
  }
}

extension SampleBatch {
  /// The sum over its samples.
  public var digest: SampleDigest {
    (0..<count).reduce(into: SampleDigest()) {
      $0 &+= SampleDigest(position: sampleIDs[$1], index: indices[$1], tokens: contentDigest($1))
    }
  }

  /// Of everything that `row` holds besides its position and index: tokens or values, where documents begin, what was
  /// measured, and fields.
  ///
  /// - Complexity: one multiplication an entry.
  public func contentDigest(_ row: Int) -> UInt64 {
    var hash: UInt64 = 0
    func take(_ word: UInt64) {
      hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
      hash ^= hash >> 32
    }
    for i in row * stride..<(row + 1) * stride {
      let token = tokens.isEmpty ? 0 : UInt64(UInt32(bitPattern: tokens[i]))
      take(UInt64(UInt32(bitPattern: documentIDs[i])) << 32 | token)
    }
    for i in row * length * valueSize..<(row + 1) * length * valueSize {
      let isMissing = observed.isEmpty ? false : !observed[i]
      take(UInt64(values[i].bitPattern) | (isMissing ? 1 << 32 : 0))
    }
    for field in fields {
      for i in row * field.length..<(row + 1) * field.length where !field.ids.isEmpty {
        take(UInt64(UInt32(bitPattern: field.ids[i])))
      }
      for i in row * field.length * field.size..<(row + 1) * field.length * field.size where !field.numbers.isEmpty {
        take(UInt64(field.numbers[i].bitPattern))
      }
    }
    return mix64(hash)
  }
}

/// Sixteen hexadecimal digits: programs that read JSON numbers as doubles would lose bits of a 64-bit word.
public func hexadecimal(_ word: UInt64) -> String {
  let digits = String(word, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
