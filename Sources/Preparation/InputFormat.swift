/// Where one document of a plain text ends and the next begins.
public enum DocumentRule: Sendable, Equatable {
  /// A file is one document.
  case wholeFile
  /// One or more blank lines part documents.
  case blankLines
  /// Every line is one document.
  case lines
  /// A line that holds this text and nothing else parts documents.
  case separatorLine(String)

  /// Reads an option: `file`, `blank-lines`, `lines`, or `separator:TEXT`. Nil for everything else.
  public init?(option: String) {
    switch option {
    case "file": self = .wholeFile
    case "blank-lines": self = .blankLines
    case "lines": self = .lines
    default:
      guard option.hasPrefix(Self.separatorPrefix), option.utf8.count > Self.separatorPrefix.utf8.count,
        !option.contains("\n")
      else {
        return nil
      }
      self = .separatorLine(String(option.dropFirst(Self.separatorPrefix.count)))
    }
  }

  private static let separatorPrefix = "separator:"

  /// The option that is spelt most like `text`; a text like none of them is taken for that of a separator line.
  public static func nearest(_ text: String) -> String {
    if text.hasPrefix(separatorPrefix) { return separatorPrefix + "TEXT" }
    let choices = ["file", "blank-lines", "lines"].map { ($0, editDistance($0, text.lowercased())) }
    guard let best = choices.min(by: { $0.1 < $1.1 }), best.1 <= max(2, best.0.count / 3) else {
      return separatorPrefix + text
    }
    return best.0
  }

  var name: String {
    switch self {
    case .wholeFile: "whole-file"
    case .blankLines: "blank-lines"
    case .lines: "lines"
    case .separatorLine(let line): "separator-line \(line)"
    }
  }
}

/// A column of a table.
public enum TableColumn: Sendable, Equatable {
  case name(String)
  /// Counted from 1.
  case number(Int)

  /// A number when the text is one, else a name.
  public init(_ text: String) {
    self = Int(text).map { .number($0) } ?? .name(text)
  }

  var name: String {
    switch self {
    case .name(let name): name
    case .number(let number): "#\(number)"
    }
  }
}

/// Columns of a CSV or TSV file that make up a document, joined by line ends.
public struct TableLayout: Sendable, Equatable {
  public var columns: [TableColumn]
  /// The first row names the columns.
  public var hasHeader: Bool

  public init(columns: [TableColumn], hasHeader: Bool = true) {
    precondition(!columns.isEmpty, "a table needs at least one column to read")
    self.columns = columns
    self.hasHeader = hasHeader
  }
}

/// How a file becomes documents.
public enum InputFormat: Sendable, Equatable {
  case text(DocumentRule)
  /// One JSON object per line; the document is the string in this field.
  case jsonLines(field: String)
  /// A row per document, or several columns of one.
  case table(TableLayout, TableSeparator)

  /// RFC 4180: commas, double quotes, line ends allowed inside quotes.
  public static func csv(_ layout: TableLayout) -> InputFormat { .table(layout, .comma) }
  /// Tabs, no quoting.
  public static func tsv(_ layout: TableLayout) -> InputFormat { .table(layout, .tab) }

  /// Endings of the files taken from a folder, without `.gz`.
  public var extensions: [String] {
    switch self {
    case .text: ["txt", "text"]
    case .jsonLines: ["jsonl", "ndjson", "json"]
    case .table(_, .comma): ["csv"]
    case .table(_, .tab): ["tsv"]
    case .table: ["csv", "tsv", "txt"]
    }
  }

  /// All that decides the documents, in one line; part of a corpus's recipe.
  var name: String {
    func table(_ layout: TableLayout) -> String {
      "\(layout.hasHeader ? "header" : "no-header") \(layout.columns.map(\.name).joined(separator: ","))"
    }
    return switch self {
    case .text(let rule): "text \(rule.name)"
    case .jsonLines(let field): "jsonl \(field)"
    case .table(let layout, let separator): "\(separator.name) \(table(layout))"
    }
  }
}

/// Insertions, removals and changes of a character that make one text of another.
private func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a), Array(b.prefix(64)))
  var row = Array(0...b.count)
  for (i, character) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, other) in b.enumerated() {
      let above = row[j + 1]
      row[j + 1] = min(diagonal + (character == other ? 0 : 1), above + 1, row[j] + 1)
      diagonal = above
    }
  }
  return row[b.count]
}
