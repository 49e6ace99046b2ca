/// What a classifier said of each test example, for a person to read.
public struct Predictions: Sendable, Equatable {
  /// The measure, and the feature where it has several, such as `probe.mean`.
  public var name: String
  public var rows: [Row]

  public struct Row: Sendable, Equatable {
    /// Line of the example in its file, from 1.
    public var line: Int
    /// Classes as they stand in the file.
    public var label: String
    public var predicted: String
    public var text: [UInt8]

    public init(line: Int, label: String, predicted: String, text: [UInt8]) {
      (self.line, self.label, self.predicted, self.text) = (line, label, predicted, text)
    }
  }

  public init(name: String, rows: [Row]) { (self.name, self.rows) = (name, rows) }

  /// A table with tabs between its columns and a heading: measure, line, label, predicted, correct (0 or 1) and text.
  /// Tabs, line ends and backslashes of a text are escaped, so that a row is a line.
  public static func table(_ all: [Predictions]) -> [UInt8] {
    var bytes = Array("measure\tline\tlabel\tpredicted\tcorrect\ttext\n".utf8)
    for predictions in all {
      for row in predictions.rows {
        let cells = [predictions.name, "\(row.line)", row.label, row.predicted, row.label == row.predicted ? "1" : "0"]
        for cell in cells { bytes += escaped(Array(cell.utf8)) + [UInt8(ascii: "\t")] }
        bytes += escaped(row.text) + [UInt8(ascii: "\n")]
      }
    }
    return bytes
  }

  private static func escaped(_ text: [UInt8]) -> [UInt8] {
    text.flatMap { byte -> [UInt8] in
      switch byte {
      case UInt8(ascii: "\t"): Array("\\t".utf8)
      case UInt8(ascii: "\n"): Array("\\n".utf8)
      case UInt8(ascii: "\r"): Array("\\r".utf8)
      case UInt8(ascii: "\\"): Array("\\\\".utf8)
      default: [byte]
      }
    }
  }
}
