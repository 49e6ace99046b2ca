import Core

/// The `.ts` files of the UEA and UCR archives: a header of lines with @, then one case per line: dimensions parted by
/// colons, numbers parted by commas, and last the class where `@classLabel true`. Lines with # are comments.
///
/// Cases may have unequal lengths; `?` and NaN were not measured.
/// Reference: the format's description at timeseriesclassification.com and in aeon.
final class TSReader: NumberReader {
  private let lines: NumberLines
  /// Classes that the header names; nil where cases have none.
  private var classes: Set<String>?

  init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    lines = try NumberLines(file)
    try readHeader()
  }

  private func readHeader() throws {
    while let (text, number) = try lines.next() {
      let line = text.trimmingSpaces()
      if line.isEmpty || line.hasPrefix("#") { continue }
      let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
      guard let key = words.first?.lowercased(), key.hasPrefix("@") else {
        throw DataError(
          lines.place(number), "stands before @data and begins with neither @ nor #.",
          remedy: "Use a .ts file of series, or read it as --format text.")
      }
      switch key {
      case "@data": return
      case "@timestamps" where words.dropFirst().first?.lowercased() == "true":
        throw DataError(
          lines.place(number), "says that numbers have times, which are not read.", remedy: "Save it without times.")
      case "@targetlabel" where words.dropFirst().first?.lowercased() == "true":
        throw DataError(
          lines.place(number), "has a number as its target; classes alone are read.", remedy: "Use a set with classes.")
      case "@classlabel" where words.dropFirst().first?.lowercased() == "true": classes = Set(words.dropFirst(2))
      default: break
      }
    }
    throw DataError(
      lines.file.path, "has no line @data.", remedy: "Use a .ts file of series, or read it as --format text.")
  }

  var storedBytes: Int { lines.storedBytes }

  func next() throws -> NumericRecord? {
    while let (text, number) = try lines.next() {
      let line = text.trimmingSpaces()
      if line.isEmpty || line.hasPrefix("#") { continue }
      return try record(line, lines.place(number))
    }
    return nil
  }

  private func record(_ line: String, _ place: String) throws(DataError) -> NumericRecord {
    var parts = line.split(separator: ":", omittingEmptySubsequences: false)
    var label: String?
    if let classes {
      let last = parts.removeLast().trimmingSpaces()
      guard classes.contains(last) else {
        throw DataError(
          place, "has the class \"\(last.prefix(40))\", which @classLabel does not name.", remedy: "Correct the header."
        )
      }
      label = last
    }
    let channels = try parts.map { part throws(DataError) in try numbers(part, place) }
    guard let rows = channels.first?.count, rows > 0 else {
      throw DataError(place, "has no numbers.", remedy: "Leave the line out.")
    }
    if let other = channels.firstIndex(where: { $0.count != rows }) {
      throw DataError(
        place, "has \(rows) numbers in dimension 1 and \(channels[other].count) in dimension \(other + 1).",
        remedy: "All dimensions of a case have one length.")
    }
    var rowsFirst: [Float] = []
    rowsFirst.reserveCapacity(rows * channels.count)
    for row in 0..<rows { for channel in channels { rowsFirst.append(channel[row]) } }
    var record = try NumericRecord(
      floats: rowsFirst, shape: [rows, channels.count], isSequence: true, place: place)
    if let label { record.fields["label"] = .name(NumberText.label(label)) }
    return record
  }

  private func numbers(_ part: Substring, _ place: String) throws(DataError) -> [Float] {
    var values: [Float] = []
    for (column, text) in part.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
      guard let value = NumberText.float(text) else {
        throw DataError(place, "has \"\(text.prefix(40))\" as number \(column + 1), which is no number.")
      }
      values.append(value)
    }
    return values
  }
}
