/// Which format each input file has.
public enum InputChoice: Sendable, Equatable {
  /// One format for all files.
  case all(InputFormat)
  /// By the file's ending: `.jsonl`, `.ndjson` and `.json` are JSON lines, `.csv` and `.tsv` tables, everything else is
  /// text.
  case byEnding(
    text: DocumentRule = .wholeFile, field: String = "text", table: TableLayout = TableLayout(columns: [.name("text")]))

  /// Endings of the files taken from a folder.
  public var extensions: [String] {
    switch self {
    case .all(let format): format.extensions
    case .byEnding(let text, let field, let table):
      ([.text(text), .jsonLines(field: field), .csv(table), .tsv(table)] as [InputFormat]).flatMap(\.extensions)
    }
  }

  /// The format of a file by its name; the ending of a compressed file does not count.
  public func format(ofFile name: String) -> InputFormat {
    switch self {
    case .all(let format): return format
    case .byEnding(let text, let field, let table):
      let plain = Compression.plainName(name)
      let candidates: [InputFormat] = [.jsonLines(field: field), .csv(table), .tsv(table)]
      return candidates.first { $0.extensions.contains { plain.hasSuffix("." + $0) } } ?? .text(text)
    }
  }

  var name: String {
    switch self {
    case .all(let format): "all \(format.name)"
    case .byEnding(let text, let field, let table):
      (["by-ending"] + ([.text(text), .jsonLines(field: field), .csv(table)] as [InputFormat]).map(\.name)).joined(
        separator: "; ")
    }
  }
}
