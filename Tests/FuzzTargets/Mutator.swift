/// Changes that know what files are made of: digits, brackets, names, lengths in binary. The same in every run.
public struct Mutator {
  private var state: UInt64

  public init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  /// Below `bound`; xorshift* is random enough to choose a byte.
  private mutating func below(_ bound: Int) -> Int {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % max(bound, 1)
  }

  private static let numbers = [
    "-1", "0", "1e999", "-1e308", "5e-324", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "4294967296",
    "1152921504606846976", "281474976710656", "\"nan\"", "null", "[]", "2.5", "1e15",
  ].map { Array($0.utf8) }
  private static let words = [
    "../", "/", "..", "\u{301}", "\\u0000", "\0", "\"", "\\", "{", "[", "}", "]", ",", ":", "\n", "\r\n", "\u{FEFF}",
    "\\ud800", "é", "=",
  ]
  .map { Array($0.utf8) }
  private static let sizes: [UInt64] = [0, 1, 255, 1 << 16, 1 << 31, 1 << 32, 1 << 47, 1 << 60, 1 << 62, 1 << 63, .max]

  /// `bytes` with one to three changes.
  public mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0...below(3) { change(&bytes) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    let place = below(bytes.count + 1)
    switch below(9) {
    case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8(below(8))
    case 1 where place < bytes.count: bytes[place] = UInt8(below(256))
    case 2: bytes.removeSubrange(place...)
    case 3: bytes.removeSubrange(place..<min(place + 1 + below(8), bytes.count))
    case 4:
      let piece = Array(bytes[place..<min(place + 1 + below(40), bytes.count)])
      bytes.insert(contentsOf: piece, at: below(bytes.count + 1))
    case 5: bytes.insert(contentsOf: Self.words[below(Self.words.count)], at: place)
    case 6: swapNumber(in: &bytes, from: place)
    case 7:
      bytes.insert(
        contentsOf: [UInt8](repeating: [0x5B, 0x7B, 0x2E, 0x22][below(4)], count: 1 << below(10)), at: place)
    default:
      guard place + 8 <= bytes.count else { return }
      withUnsafeBytes(of: Self.sizes[below(Self.sizes.count)].littleEndian) {
        bytes.replaceSubrange(place..<place + 8, with: $0)
      }
    }
  }

  /// Puts another number where the next one from `place` on stands.
  private mutating func swapNumber(in bytes: inout [UInt8], from place: Int) {
    guard let start = bytes[place...].firstIndex(where: { (0x30...0x39).contains($0) }) else { return }
    let end = bytes[start...].firstIndex { !(0x30...0x39).contains($0) && $0 != 0x2E } ?? bytes.count
    bytes.replaceSubrange(start..<end, with: Self.numbers[below(Self.numbers.count)])
  }
}
