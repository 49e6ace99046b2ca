import Core

/// The tables of the UCR archive: one series per line, its class first, then its numbers, parted by tabs, commas or
/// spaces. NaN says that a number was not measured; at the end of a line it says that the series is shorter.
final class UCRReader: NumberReader {
  private let lines: NumberLines
  private var separator: Character?

  init(_ file: NumberFile, _ options: NumberReaderOptions) throws { lines = try NumberLines(file) }

  var storedBytes: Int { lines.storedBytes }

  func next() throws -> NumericRecord? {
    while let (text, number) = try lines.next() {
      if text.allSatisfy(\.isWhitespace) { continue }
      return try record(text, lines.place(number))
    }
    return nil
  }

  private func record(_ text: String, _ place: String) throws(DataError) -> NumericRecord {
    let separator = self.separator ?? ["\t", ","].first { text.contains($0) } ?? " "
    self.separator = separator
    let parts = text.split(separator: separator, omittingEmptySubsequences: separator == " ")
    guard let label = parts.first, !label.allSatisfy(\.isWhitespace) else {
      throw DataError(
        place, "has no class in its first column.", remedy: "The first column is the class of the series.")
    }
    var values: [Float] = []
    values.reserveCapacity(parts.count)
    for (column, part) in parts.enumerated().dropFirst() {
      guard let value = NumberText.float(part) else {
        throw DataError(place, "has \"\(part.prefix(40))\" in column \(column + 1), which is no number.")
      }
      values.append(value)
    }
    while let last = values.last, last.isNaN { values.removeLast() }
    guard !values.isEmpty else {
      throw DataError(place, "has no numbers.", remedy: "Leave the line out.")
    }
    var record = try NumericRecord(floats: values, shape: [values.count, 1], isSequence: true, place: place)
    record.fields["label"] = .name(NumberText.label(label))
    return record
  }
}
