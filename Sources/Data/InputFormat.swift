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
  /// One JSON object a line; the document is the string in this field.
  case jsonLines(field: String)
  /// RFC 4180: commas, double quotes, line ends allowed inside quotes.
  case csv(TableLayout)
  /// Tabs, no quoting.
  case tsv(TableLayout)

  /// Endings of the files taken from a folder, without `.gz`.
  public var extensions: [String] {
    switch self {
    case .text: ["txt", "text"]
    case .jsonLines: ["jsonl", "ndjson", "json"]
    case .csv: ["csv"]
    case .tsv: ["tsv"]
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
    case .csv(let layout): "csv \(table(layout))"
    case .tsv(let layout): "tsv \(table(layout))"
    }
  }
}
