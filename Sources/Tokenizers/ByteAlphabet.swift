/// GPT-2's spelling of bytes: each of the 256 bytes is one printable character, so that a token of any
/// bytes is a JSON string. Bytes 33–126, 161–172 and 174–255 are the characters of the same number; the
/// other 68, in rising order, are U+0100, U+0101 and so on (a space is Ġ, U+0120).
///
/// Reference: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, section 2.2.
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 256
    return (UInt32(0)..<256).map { byte in
      if (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte) {
        return Unicode.Scalar(UInt8(byte))
      }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? " "
    }
  }()

  /// The UTF-8 of each byte's character.
  static let spellings: [[UInt8]] = scalars.map { Array(String($0).utf8) }

  /// All bytes, ordered by their characters: the order in which a vocabulary lists them.
  static let bytesInOrder: [UInt8] = (0...255).sorted { scalars[Int($0)] < scalars[Int($1)] }

  /// The byte of each character below U+0144; -1 where there is none.
  private static let bytes: [Int16] = {
    var table = [Int16](repeating: -1, count: 0x144)
    for byte in 0..<256 { table[Int(scalars[byte].value)] = Int16(byte) }
    return table
  }()

  static func spelling(of text: some Sequence<UInt8>) -> [UInt8] { text.flatMap { spellings[Int($0)] } }

  /// The bytes per token stands for, or nil when it has a character that stands for no byte.
  static func bytes(of token: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(token.count)
    for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
      guard scalar.value < 0x144, bytes[Int(scalar.value)] >= 0 else { return nil }
      result.append(UInt8(bytes[Int(scalar.value)]))
    }
    return result
  }
}
