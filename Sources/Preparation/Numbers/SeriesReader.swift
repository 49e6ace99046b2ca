import Core

/// Series in a table with a header row: one row per time, one column per channel; with `group` a series per value of
/// that column, in the order in which values come first.
///
/// With `time`, rows are put on a regular grid: its step is the most common difference between a row and the next one
/// of its series, the smallest where several are, over all series of the file. A row stands max(1, round(difference /
/// step)) rows after the one before it, and rows between them were not measured. Without `time`, rows follow each
/// other. An empty cell and NaN were not measured.
///
/// Memory holds the numbers of the file, 4 bytes each.
final class SeriesReader: NumberReader {
  /// Rows that one gap may add: more is a wrong time, or two series.
  static let longestGap = 100_000

  /// Numbers that gaps may add to a series: so many, or so many for each that was measured.
  private static let (mostFilled, mostGrowth) = (1 << 24, 64)

  private let file: NumberFile
  private var groups: [SeriesGroup]
  private let channels: Int
  private let hasTime: Bool
  private let isNamed: Bool
  private let step: Int64
  private var taken = 0
  private var gapRows = 0

  init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    self.file = file
    let table = try SeriesTable(file, options)
    groups = try table.readGroups()
    (channels, hasTime, isNamed) = (table.channels.count, options.time != nil, options.group != nil)
    guard !groups.isEmpty else {
      throw DataError(file.path, "has no rows below its header.", remedy: "Leave it out.")
    }
    step = hasTime ? Self.commonStep(groups) : 1
  }

  /// The most common difference of times, the smallest where several are.
  private static func commonStep(_ groups: [SeriesGroup]) -> Int64 {
    var counts: [Int64: Int] = [:]
    for group in groups { for (a, b) in zip(group.times, group.times.dropFirst()) { counts[b - a, default: 0] += 1 } }
    return counts.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key ?? 1
  }

  func next() throws -> NumericRecord? {
    guard taken < groups.count else { return nil }
    defer { taken += 1 }
    let group = groups[taken]
    let place = isNamed ? "\(file.path), series \(group.name)" : file.path
    let numbers = hasTime ? try onGrid(group) : group.numbers
    // What was handed over is not needed any more.
    groups[taken].numbers = []
    var record = try NumericRecord(
      floats: numbers, shape: [numbers.count / channels, channels], isSequence: true, place: place)
    if isNamed { record.fields["group"] = .name(group.name) }
    if let label = group.label { record.fields["label"] = .name(label) }
    return record
  }

  var note: String? {
    guard hasTime else { return nil }
    let gaps = gapRows == 0 ? "no gaps" : "gaps of \(counted(gapRows, "row"))"
    return "\(file.path): a row every \(Double(step) / 1e6) s, \(gaps)"
  }

  private func onGrid(_ group: SeriesGroup) throws(DataError) -> [Float] {
    var result = Array(group.numbers.prefix(channels))
    for row in 1..<max(group.times.count, 1) {
      let difference = Double(group.times[row]) - Double(group.times[row - 1])
      let steps = max(1, (difference / Double(step)).rounded())
      guard steps <= Double(Self.longestGap) else {
        throw DataError(
          "\(file.path), line \(group.lines[row])",
          "comes \(Int(steps)) steps of \(Double(step) / 1e6) s after the row before it; a gap may have \(Self.longestGap).",
          remedy: "Correct the time, or give the rows behind the gap another value of --group.")
      }
      let missing = (Int(steps) - 1) * channels
      guard result.count + missing <= max(Self.mostFilled, Self.mostGrowth * group.numbers.count) else {
        throw DataError(
          "\(file.path), line \(group.lines[row])",
          "ends a gap with which the series has more than \(Self.mostGrowth) missing numbers for each one measured.",
          remedy: "Correct the times, or give the rows behind the gap another value of --group.")
      }
      gapRows += Int(steps) - 1
      result += [Float](repeating: .nan, count: missing)
      result += group.numbers[row * channels..<(row + 1) * channels]
    }
    return result
  }
}

/// The rows of one series.
struct SeriesGroup {
  let name: String
  var label: String?
  /// [rows, channels].
  var numbers: [Float] = []
  /// Microseconds, rising; empty without times.
  var times: [Int64] = []
  /// The line of each row, where there are times.
  var lines: [Int] = []
}
