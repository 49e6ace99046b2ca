import Storage

/// How text is cut into pieces before merging. No token crosses a piece.
///
/// The patterns are regular expressions in `tokenizer.json`; here they are scanners by hand, which look at each
/// character once. Invalid UTF-8 is kept: each such byte counts as a symbol (`[^\s\p{L}\p{N}]`).
enum PiecePattern: Sendable, Equatable {
  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// As in Llama 3 (at most three digits per piece) and Qwen 2 (one digit per piece):
  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
  /// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  case lines(digits: Int)
  /// The whole text is one piece.
  case whole

  static let llama3Expression =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  static let qwen2Expression =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  static let gpt2Expression = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  init?(expression: String) {
    switch expression {
    case Self.gpt2Expression: self = .gpt2
    case Self.llama3Expression: self = .lines(digits: 3)
    case Self.qwen2Expression: self = .lines(digits: 1)
    default: return nil
    }
  }
}

/// Finds where pieces end in one stretch of text.
///
/// Invariant: `text` points to at least `end` readable bytes while the scanner is in use.
struct PieceScanner {
  let text: UnsafePointer<UInt8>
  let end: Int
  let pattern: PiecePattern

  /// End of the piece that begins at `start`, which is below `end`. - Complexity: O(piece).
  @inline(__always) func pieceEnd(from start: Int) -> Int {
    switch pattern {
    case .gpt2: gpt2End(start)
    case .lines(let digits): linesEnd(start, digits: digits)
    case .whole: end
    }
  }

  private func gpt2End(_ start: Int) -> Int {
    if text[start] == Self.apostrophe, let length = contraction(at: start) { return start + length }
    let first = classes(at: start)
    let body = text[start] == Self.blank && start + 1 < end ? start + 1 : start
    let kind = body == start ? first.kind : classes(at: body).kind
    if kind != .space { return run(of: kind, from: body) }
    return spaceEnd(start)
  }

  private func linesEnd(_ start: Int, digits: Int) -> Int {
    if text[start] == Self.apostrophe, let length = anyCaseContraction(at: start) { return start + length }
    let first = classes(at: start)
    let next = start + first.length
    switch first.kind {
    case .letter: return run(of: .letter, from: start)
    case .number: return numberEnd(start, digits: digits)
    case .space where Self.isLineEnd(text[start]): return lineSpaceEnd(start)
    case .space, .symbol:
      if next < end, classes(at: next).kind == .letter { return run(of: .letter, from: next) }
      if first.kind == .symbol { return symbolEnd(start) }
      if text[start] == Self.blank, next < end, classes(at: next).kind == .symbol { return symbolEnd(next) }
      return lineSpaceEnd(start)
    }
  }

  /// `\p{N}{1,digits}`.
  private func numberEnd(_ start: Int, digits: Int) -> Int {
    var index = start
    var left = digits
    while index < end, left > 0 {
      let next = classes(at: index)
      guard next.kind == .number else { break }
      index += next.length
      left -= 1
    }
    return index
  }

  /// `[^\s\p{L}\p{N}]+[\r\n]*`.
  private func symbolEnd(_ start: Int) -> Int {
    var index = run(of: .symbol, from: start)
    while index < end, Self.isLineEnd(text[index]) { index += 1 }
    return index
  }

  /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end of the white space, if it has one.
  private func lineSpaceEnd(_ start: Int) -> Int {
    var index = start
    var afterLineEnd = start
    while index < end {
      let next = classes(at: index)
      guard next.kind == .space else { break }
      index += next.length
      if Self.isLineEnd(text[index - 1]) { afterLineEnd = index }
    }
    return afterLineEnd > start ? afterLineEnd : spaceEnd(start)
  }

  /// `\s+(?!\S)|\s+`: white space, without its last character when something follows it and something is left.
  private func spaceEnd(_ start: Int) -> Int {
    var index = start
    var last = start
    while index < end {
      let next = classes(at: index)
      guard next.kind == .space else { return last > start ? last : index }
      last = index
      index += next.length
    }
    return index
  }

  @inline(__always) private func run(of kind: Kind, from start: Int) -> Int {
    var index = start
    while index < end {
      let next = classes(at: index)
      guard next.kind == kind else { break }
      index += next.length
    }
    return index
  }

  // MARK: - Contractions

  private static let apostrophe = UInt8(ascii: "'")
  private static let blank = UInt8(ascii: " ")

  private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 10 || byte == 13 }

  private func contraction(at start: Int) -> Int? {
    guard start + 1 < end else { return nil }
    return Self.contractionLength(text[start + 1], start + 2 < end ? text[start + 2] : 0)
  }

  /// Without regard to case, where the long s (U+017F, two bytes) is a case of s.
  private func anyCaseContraction(at start: Int) -> Int? {
    guard start + 1 < end else { return nil }
    if start + 2 < end, text[start + 1] == 0xC5, text[start + 2] == 0xBF { return 3 }
    return Self.contractionLength(text[start + 1] | 0x20, start + 2 < end ? text[start + 2] | 0x20 : 0)
  }

  private static func contractionLength(_ first: UInt8, _ second: UInt8) -> Int? {
    switch (first, second) {
    case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _): 2
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      3
    default: nil
    }
  }

  // MARK: - Classes

  enum Kind: UInt8 { case letter, number, space, symbol }

  @inline(__always) private func classes(at index: Int) -> (kind: Kind, length: Int) {
    let byte = text[index]
    if byte < 0x80 { return (Self.asciiKinds[Int(byte)], 1) }
    let scalar = UTF8Reader.decode(text, at: index, end: end)
    return (Self.kind(CharacterClasses.of(scalar.value)), scalar.length)
  }

  private static let asciiKinds = CharacterClasses.ascii.map(kind)

  private static func kind(_ classes: CharacterClasses) -> Kind {
    if classes.contains(.letter) { return .letter }
    if classes.contains(.number) { return .number }
    return classes.contains(.space) ? .space : .symbol
  }
}
