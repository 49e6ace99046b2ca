import Core

/// A WFDB header: a line of the record, then one per signal.
struct WFDBHeader {
  struct Signal: Equatable {
    let file: String
    /// 16 or 212.
    let format: Int
    /// Bytes before the first sample.
    let offset: Int
    /// Stored units per physical unit.
    let gain: Double
    /// What is stored for 0.
    let baseline: Double
    /// Sum of all samples modulo 2¹⁶.
    let checksum: Int16?
  }

  /// Samples per second, rounded.
  let rate: Int
  let samples: Int
  let signals: [Signal]

  /// Samples of all signals that a record may have.
  private static let mostNumbers = 1 << 30

  /// - Throws: `DataError` that names the line and what of it cannot be read.
  init(_ file: NumberFile) throws {
    let lines = String(decoding: try file.contents(atMost: 1 << 20), as: UTF8.self)
      .split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("#") && !$0.allSatisfy(\.isWhitespace) }
    func refuse(_ problem: String, _ remedy: String = "Fetch it again.") -> DataError {
      DataError(file.path, problem, remedy: remedy)
    }
    guard let first = lines.first?.split(separator: " "), first.count >= 4 else {
      throw refuse("has no line with a name, signals, a rate and samples.")
    }
    guard !first[0].contains("/") else {
      throw refuse("is a record of several segments, which are not read.", "Name the headers of its segments.")
    }
    // A rate may be followed by that of a counter, and a base value.
    let rate = first[2].split(whereSeparator: { "/(".contains($0) }).first.flatMap { Double($0) }
    guard let count = Int(first[1]), (1...256).contains(count), let rate, rate > 0, rate < 1e9,
      let samples = Int(first[3]), samples >= 0, samples <= Self.mostNumbers / count
    else { throw refuse("has the line \"\(lines[0].prefix(100))\", of which signals, rate or samples cannot be read.") }
    guard samples > 0 else { throw refuse("is a recording of no samples.", "Leave it out with --exclude.") }
    guard lines.count > count else { throw refuse("says it has \(count) signals, and describes \(lines.count - 1).") }
    (self.rate, self.samples) = (Int(rate.rounded()), samples)
    signals = try lines[1...count].map { try Self.signal($0, refuse) }
    for (_, places) in bySignalFile {
      let own = places.map { signals[$0] }
      guard own.allSatisfy({ $0.format == own[0].format && $0.offset == own[0].offset }) else {
        throw refuse("has signals of several formats in one file.")
      }
    }
  }

  private static func signal(_ line: Substring, _ refuse: (String, String) -> DataError) throws(DataError) -> Signal {
    let parts = line.split(separator: " ")
    guard parts.count >= 2, isPlainFileName(String(parts[0])) else {
      throw refuse(
        "has the line \"\(line.prefix(100))\" for a signal, without a file beside it and a format.", "Fetch it again.")
    }
    guard let match = parts[1].wholeMatch(of: /(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?/), let format = Int(match.1),
      format == 16 || format == 212, match.2 == nil || match.2 == "1", match.3 == nil || match.3 == "0",
      let offset = Int(match.4 ?? "0"), offset < 1 << 30
    else {
      throw refuse(
        "has the format \(parts[1].prefix(40)); 16 and 212 are read, with one sample per frame and no skew.",
        "Convert it with xform of WFDB.")
    }
    // 200, 200/mV, 200(1024)/mV; 0 and nothing are 200.
    var (gain, baseline) = (200.0, nil as Double?)
    if parts.count > 2, let found = parts[2].prefixMatch(of: /([-+0-9.eE]+)(?:\((-?\d+)\))?/) {
      guard let value = Double(found.1), value.isFinite else {
        throw refuse("has the gain \(parts[2].prefix(40)), which is no number.", "Fetch it again.")
      }
      if value != 0 { gain = value }
      baseline = found.2.flatMap { Double($0) }
    }
    let zero = parts.count > 4 ? Double(parts[4]) ?? 0 : 0
    return Signal(
      file: String(parts[0]), format: format, offset: offset, gain: gain, baseline: baseline ?? zero,
      checksum: parts.count > 6 ? Int(parts[6]).map { Int16(truncatingIfNeeded: $0) } : nil)
  }

  /// The signal files, each once, in the order in which they come.
  var files: [String] { bySignalFile.map(\.name) }

  /// The signals of each file.
  var bySignalFile: [(name: String, signals: [Int])] {
    var result: [(name: String, signals: [Int])] = []
    for (place, signal) in signals.enumerated() {
      if let known = result.firstIndex(where: { $0.name == signal.file }) {
        result[known].signals.append(place)
      } else {
        result.append((signal.file, [place]))
      }
    }
    return result
  }
}
