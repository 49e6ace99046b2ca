/// What the scanners and the BERT normalizer need of a character, as bits.
///
/// The `tokenizers` library has tables of several ages: its regular expressions know Unicode 16.0, its
/// normalization Unicode 9.0, its BERT classes Unicode 8.0. Equal ids need the same classes, so younger characters are
/// treated as unassigned, by the age each character carries in the standard library's tables. (Compared for every
/// scalar.)
struct CharacterClasses: OptionSet, Sendable {
  let rawValue: UInt8

  /// \p{L} of Unicode 16.0.
  static let letter = CharacterClasses(rawValue: 1)
  /// \p{N} of Unicode 16.0.
  static let number = CharacterClasses(rawValue: 2)
  /// White_Space.
  static let space = CharacterClasses(rawValue: 4)
  /// \w of Unicode 16.0: alphabetic, mark, decimal number, connector punctuation, join control.
  static let word = CharacterClasses(rawValue: 8)
  /// Punctuation for BERT: P* of Unicode 8.0, and every ASCII mark.
  static let punctuation = CharacterClasses(rawValue: 16)
  /// What BERT's cleaning removes: Cc, Cf, Co but tab and line ends, with NUL and U+FFFD.
  static let removed = CharacterClasses(rawValue: 32)
  /// Mn of Unicode 8.0, what accent stripping removes after decomposition.
  static let accent = CharacterClasses(rawValue: 64)
  /// Assigned after Unicode 9.0.
  static let young = CharacterClasses(rawValue: 128)

  /// Classes of a scalar value. - Complexity: O(1); the first call fills a table of 256 KiB.
  @inline(__always) static func of(_ value: UInt32) -> CharacterClasses {
    value < 128 ? ascii[Int(value)] : beyondASCII(value)
  }

  static let ascii: [CharacterClasses] = (0..<128).map { compute(Unicode.Scalar(UInt8($0))) }

  private static let tableLimit: UInt32 = 0x40000
  private static let table: [CharacterClasses] = (0..<tableLimit).map { Unicode.Scalar($0).map(compute) ?? [] }

  private static func beyondASCII(_ value: UInt32) -> CharacterClasses {
    value < tableLimit ? table[Int(value)] : Unicode.Scalar(value).map(compute) ?? []
  }

  private static func compute(_ scalar: Unicode.Scalar) -> CharacterClasses {
    let properties = scalar.properties
    guard let age = properties.age else {
      // Unassigned, private use (no age in some tables) and noncharacters.
      return properties.generalCategory == .privateUse ? [.removed] : []
    }
    var classes: CharacterClasses = properties.isWhitespace ? [.space] : []
    if (age.major, age.minor) <= (16, 0) { classes.formUnion(modern(properties)) }
    if (age.major, age.minor) <= (8, 0) { classes.formUnion(bert(scalar)) }
    if (age.major, age.minor) > (9, 0) { classes.insert(.young) }
    return classes
  }

  private static func modern(_ properties: Unicode.Scalar.Properties) -> CharacterClasses {
    var classes: CharacterClasses = []
    if properties.isAlphabetic || properties.isJoinControl { classes.insert(.word) }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: classes.insert(.letter)
    case .decimalNumber: classes.formUnion([.number, .word])
    case .letterNumber, .otherNumber: classes.insert(.number)
    case .nonspacingMark, .spacingMark, .enclosingMark, .connectorPunctuation: classes.insert(.word)
    default: break
    }
    return classes
  }

  private static func bert(_ scalar: Unicode.Scalar) -> CharacterClasses {
    switch scalar.value {
    case 9, 10, 13: return []
    case 0, 0xFFFD: return [.removed]
    // Characters whose category changed after Unicode 8.0.
    case 0x1734, 0x1171E: return [.accent]
    case 0x1885, 0x1886, 0xA9BD: return []
    case 0x166D, 0x111C9: return [.punctuation]
    default: break
    }
    switch scalar.properties.generalCategory {
    case .control, .format, .privateUse, .surrogate: return [.removed]
    case .nonspacingMark: return [.accent]
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation,
      .otherPunctuation:
      return [.punctuation]
    case .currencySymbol, .mathSymbol, .modifierSymbol: return scalar.isASCII ? [.punctuation] : []
    default: return []
    }
  }
}
