import Core

/// A table of series while it is read: which column is what, and the rows of each series.
final class SeriesTable {
  private let file: NumberFile
  private let options: NumberReaderOptions
  private var rows: RecordReader
  /// Places of columns.
  let channels: [Int]
  private let time: Int?
  private let group: Int?
  private let label: Int?
  private let columns: [String]
  private var text: [UInt8] = []

  private static let mostColumns = 65_536

  /// Reads the header row.
  /// - Throws: `DataError` for a table without a header or without a column that is named.
  init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    (self.file, self.options) = (file, options)
    let format = InputFormat.table(TableLayout(columns: [.number(1)]), options.separator)
    var rows = try RecordReader(
      try file.open().content, format: format, path: file.path, mostBytes: min(64 << 20, file.mostContent))
    guard let header = try rows.next(into: &text) else {
      throw DataError(file.path, "has no header row.", remedy: "Begin it with the names of the columns.")
    }
    let cells = try Self.fields(text, header, options.separator, file).map { $0.trimmingSpaces() }
    guard cells.count <= Self.mostColumns else {
      throw DataError(file.path, "has \(cells.count) columns; at most \(Self.mostColumns) are read.")
    }
    func place(_ name: String?, _ option: String) throws(DataError) -> Int? {
      guard let name else { return nil }
      if let place = cells.firstIndex(of: name) { return place }
      throw DataError(
        file.path, "has no column \(name), which \(option) names; it has \(cells.prefix(30).joined(separator: ", ")).")
    }
    time = try place(options.time, "--time")
    group = try place(options.group, "--group")
    label = try place(options.label, "--label")
    let others = [time, group, label].compactMap { $0 }
    channels =
      options.channels.isEmpty
      ? cells.indices.filter { !others.contains($0) }
      : try options.channels.map { name throws(DataError) in try place(name, "--channels") ?? 0 }
    guard !channels.isEmpty else {
      throw DataError(file.path, "has no column of numbers.", remedy: "Name them with --channels.")
    }
    if options.channels.isEmpty, cells.allSatisfy({ NumberText.float($0)?.isNaN == false }) {
      throw DataError(
        file.path, "has numbers in its first row, which names the columns.", remedy: "Put a header row above it.")
    }
    (columns, self.rows) = (cells, rows)
  }

  /// All rows by series, in the order in which series come first.
  /// - Throws: `DataError` that names the line, the column and the cell.
  func readGroups() throws -> [SeriesGroup] {
    var (groups, places) = ([SeriesGroup](), [String: Int]())
    while true {
      text.removeAll(keepingCapacity: true)
      guard let row = try rows.next(into: &text) else { break }
      let place = "\(file.path), line \(row.line)"
      let cells = try Self.fields(text, row, options.separator, file)
      if cells.count == 1, cells[0].allSatisfy(\.isWhitespace) { continue }
      guard cells.count == columns.count else {
        throw DataError(
          place, "has \(counted(cells.count, "column")), and the header \(columns.count).", remedy: "Complete the row.")
      }
      let name = group.map { cells[$0].trimmingSpaces() } ?? ""
      let index = places[name] ?? groups.count
      if index == groups.count {
        places[name] = index
        groups.append(SeriesGroup(name: name))
      }
      try append(cells, to: &groups[index], line: row.line, place)
    }
    return groups
  }

  private func append(_ cells: [String], to group: inout SeriesGroup, line: Int, _ place: String) throws(DataError) {
    for column in channels {
      guard let value = NumberText.float(cells[column]) else {
        throw DataError(
          place, "has \"\(cells[column].prefix(40))\" in column \(columns[column]), which is no number.",
          remedy: "Name the columns with numbers with --channels; an empty cell or NaN was not measured.")
      }
      group.numbers.append(value)
    }
    if let label {
      let name = NumberText.label(cells[label])
      guard group.label == nil || group.label == name else {
        throw DataError(
          place, "has the class \(name), and its series has \(group.label ?? "").", remedy: "A series has one class.")
      }
      group.label = name
    }
    guard let time else { return }
    guard let moment = TimeText.microseconds(cells[time]) else {
      throw DataError(
        place, "has \"\(cells[time].prefix(40))\" in column \(columns[time]), which is no time.",
        remedy: "Times are YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, or numbers of seconds.")
    }
    if let last = group.times.last, moment <= last {
      let what = moment == last ? "the same time as" : "an earlier time than"
      let series = self.group == nil ? "" : " of series \(group.name)"
      throw DataError(
        place, "has \(what) the row before it\(series), \(cells[time]).",
        remedy: moment == last
          ? "Keep one row per time, or say with --group which series a row belongs to."
          : "Sort the rows by time, or say with --group which series a row belongs to.")
    }
    group.times.append(moment)
    group.lines.append(line)
  }

  private static func fields(_ text: [UInt8], _ row: Record, _ separator: TableSeparator, _ file: NumberFile) throws
    -> [String]
  {
    try text.withUnsafeBytes { bytes in
      try TableRow.fields(
        UnsafeRawBufferPointer(rebasing: bytes[row.range]), separator, place: "\(file.path), line \(row.line)"
      ).map { String(decoding: $0, as: UTF8.self) }
    }
  }
}
