import Core

/// What parts the columns of a table.
public struct TableSeparator: Sendable, Equatable {
  let byte: UInt8
  /// A field that begins with a double quote ends with one and may hold separators and line ends (RFC 4180).
  let isQuoted: Bool
  /// Only the first separator of a row parts: a label and a text, in which the character may come again.
  let partsOnce: Bool

  private init(_ character: Unicode.Scalar, isQuoted: Bool = false, partsOnce: Bool = false) {
    (byte, self.isQuoted, self.partsOnce) = (UInt8(ascii: character), isQuoted, partsOnce)
  }

  public static let comma = TableSeparator(",", isQuoted: true)
  public static let tab = TableSeparator("\t")

  /// What an option may say, for errors.
  public static let choices = "tab, comma, semicolon, bar, space, colon, or one other ASCII character"

  /// Reads an option: a name or a character. Comma, semicolon and bar part as in CSV, a tab as in TSV, and every other
  /// character parts a row once, into what stands before it and all that follows.
  /// - Returns: nil for what is neither a name nor one printable ASCII character that can part columns.
  public init?(option: String) {
    switch option {
    case "comma", ",": self = .comma
    case "tab", "\t", "\\t": self = .tab
    case "semicolon", ";": self.init(";", isQuoted: true)
    case "bar", "|": self.init("|", isQuoted: true)
    case "space": self.init(" ", partsOnce: true)
    case "colon": self.init(":", partsOnce: true)
    default:
      let scalars = option.unicodeScalars
      guard scalars.count == 1, let scalar = scalars.first, scalar.value >= 0x20, scalar.value < 0x7F, scalar != "\""
      else { return nil }
      self.init(scalar, partsOnce: true)
    }
  }

  /// Part of a corpus's recipe.
  var name: String {
    switch self {
    case .comma: "csv"
    case .tab: "tsv"
    default: "table by \(readable)\(isQuoted ? ", quoted" : "")\(partsOnce ? ", once" : "")"
    }
  }

  /// For sentences.
  var readable: String {
    switch byte {
    case UInt8(ascii: "\t"): "tab"
    case UInt8(ascii: " "): "space"
    case UInt8(ascii: ","): "comma"
    default: "\"\(Unicode.Scalar(byte))\""
    }
  }
}
