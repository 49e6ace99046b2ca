/// Times as tables write them, in microseconds since 1970 without a zone; plain numbers are seconds.
enum TimeText {
  /// - Returns: nil for what is no time.
  static func microseconds(_ text: String) -> Int64? {
    let plain = text.trimmingSpaces()
    if let number = Double(plain), number.magnitude < 4e12 { return Int64((number * 1e6).rounded()) }
    var scanner = Scanner(plain.utf8[...])
    guard let year = scanner.number(digits: 4), let dash = scanner.mark(["-", "/", "."]),
      let month = scanner.number(digits: 2), scanner.mark([dash]) != nil, let day = scanner.number(digits: 2),
      (1...12).contains(month), (1...31).contains(day)
    else { return nil }
    var time = days(year, month, day) * 86_400_000_000
    guard !scanner.isAtEnd else { return time }
    guard scanner.mark(["T", " "]) != nil, let clock = scanner.clock(), let zone = scanner.zone(), scanner.isAtEnd
    else {
      return nil
    }
    time += clock - zone
    return time
  }

  /// Days from 1970-01-01 in the Gregorian calendar.
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    // Years that begin in March, so that a leap day is the last one: each month begins at a fixed day.
    let (y, m) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468
  }

  private struct Scanner {
    private var rest: Substring.UTF8View

    init(_ text: Substring.UTF8View) { rest = text }

    var isAtEnd: Bool { rest.isEmpty }

    /// One to so many digits.
    mutating func number(digits: Int) -> Int64? {
      let found = rest.prefix(digits).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard !found.isEmpty else { return nil }
      rest = rest.dropFirst(found.count)
      return found.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
    }

    mutating func mark(_ choices: [Unicode.Scalar]) -> Unicode.Scalar? {
      guard let first = rest.first, let mark = choices.first(where: { UInt8(ascii: $0) == first }) else { return nil }
      rest = rest.dropFirst()
      return mark
    }

    /// Hours and minutes, optionally seconds and their fraction, in microseconds.
    mutating func clock() -> Int64? {
      guard let hours = number(digits: 2), mark([":"]) != nil, let minutes = number(digits: 2), hours < 25, minutes < 60
      else { return nil }
      var seconds = Int64(0)
      var fraction = Int64(0)
      if mark([":"]) != nil {
        guard let found = number(digits: 2), found < 61 else { return nil }
        seconds = found
        if mark([".", ","]) != nil {
          let before = rest.count
          guard let digits = number(digits: 6) else { return nil }
          fraction = (before - rest.count..<6).reduce(digits) { value, _ in value * 10 }
          while number(digits: 1) != nil {}
        }
      }
      return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
    }

    /// Microseconds ahead of Greenwich; 0 without a zone.
    mutating func zone() -> Int64? {
      if isAtEnd || mark(["Z"]) != nil { return 0 }
      guard let sign = mark(["+", "-"]), let hours = number(digits: 2) else { return nil }
      _ = mark([":"])
      let minutes = isAtEnd ? 0 : number(digits: 2)
      guard let minutes else { return nil }
      return (hours * 60 + minutes) * 60_000_000 * (sign == "-" ? -1 : 1)
    }
  }
}
