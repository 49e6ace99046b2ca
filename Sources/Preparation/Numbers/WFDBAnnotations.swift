import Core

/// Annotations in MIT format: 16-bit little-endian words with the code of an annotation in the upper 6 bits and the
/// samples since the one before it in the lower 10.
enum WFDBAnnotations {
  /// The mnemonic of each code of an annotation.
  private static let names: [Int: String] = [
    1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q",
    14: "~", 16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: "\"", 23: "=", 24: "p", 25: "B", 26: "^", 27: "t",
    28: "+", 29: "u", 30: "?", 31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(",
    40: ")", 41: "r",
  ]

  /// Codes with a meaning of their own.
  private enum Code {
    static let skip = 59
    static let number = 60
    static let channel = 62
    static let text = 63
  }

  /// The named rows; of two annotations at one sample the first counts.
  /// - Throws: `DataError` for one outside the record, or a file that ends within one.
  static func marks(_ bytes: [UInt8], samples: Int, path: String) throws(DataError) -> [NumericRecord.Mark] {
    var (marks, time, place) = ([NumericRecord.Mark](), 0, 0)
    func cut() -> DataError {
      DataError(path, "ends within an annotation, at byte \(place).", remedy: "Fetch it again.")
    }
    while place + 2 <= bytes.count {
      let word = Int(UInt16(littleEndianBytes: bytes, place))
      let (code, interval) = (word >> 10, word & 1023)
      place += 2
      if word == 0 { return marks }
      switch code {
      case Code.skip:
        guard place + 4 <= bytes.count else { throw cut() }
        let high = UInt32(UInt16(littleEndianBytes: bytes, place))
        let low = UInt32(UInt16(littleEndianBytes: bytes, place + 2))
        time += Int(Int32(bitPattern: high << 16 | low))
        place += 4
      case Code.number...Code.channel: break
      case Code.text:
        place += (interval + 1) / 2 * 2
        guard place <= bytes.count else { throw cut() }
      default:
        time += interval
        guard (0..<samples).contains(time), (marks.last?.row ?? -1) <= time else {
          throw DataError(
            path, "has an annotation at sample \(time), which does not lie behind the one before it within \(samples).",
            remedy: "Fetch it again.")
        }
        if marks.last?.row != time { marks.append(.init(row: time, name: names[code] ?? "code \(code)")) }
      }
    }
    throw cut()
  }
}
