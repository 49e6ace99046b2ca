import Core
import Data
import DataSupport
import Foundation
@testable import Preparation
import Storage
import Testing

@Suite struct InputTests {
  private func options(_ format: InputFormat) -> PreparationOptions {
    PreparationOptions(format: .all(format), split: .tail(fraction: 0), threads: 2)
  }

  @Test func jsonLinesGiveTheField() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "a.jsonl",
      #"""
      {"text": "plain", "n": [1, -2.5e3, {"text": "inner"}]}

      { "id" : null , "text" : "tab\t quote\" \u00e9 \ud83d\ude00 \ud800 ☃ \/" }
      {"text": ""}
      {"text": "first", "text": "last"}
      """#)
    let corpus = try folder.prepare(["a.jsonl"], options(.jsonLines(field: "text")))
    #expect(try corpus.texts(.train) == ["plain", "tab\t quote\" é 😀 \u{FFFD} ☃ /", "last"])
    #expect(corpus.manifest.emptyDocuments == 1)
  }

  @Test(arguments: [
    (
      "{\"text\": \"a\"}\n{\"body\": \"b\"}",
      "line 2: has no field \"text\". Name the field that holds the text, or remove the line."
    ),
    (
      "{\"text\": 7}",
      "line 1: has a field \"text\" that is not a string. Name the field that holds the text, or remove the line."
    ),
    (
      "\n\n{\"text\": \"a\"",
      "line 3: is not one JSON object: it breaks at byte 13 of the line. Mend or remove the line."
    ),
    (
      "[1]",
      "line 1: is not one JSON object: it breaks at byte 1 of the line. Write an array as one object per line: jq -c '.[]' FILE.json >FILE.jsonl."
    ),
    (
      "{\n\"text\": \"a\"}",
      "line 1: is not one JSON object: it breaks at byte 2 of the line. Write each object on one line: jq -c . FILE.json >FILE.jsonl."
    ),
    (
      "{\"text\": \"a\"} x",
      "line 1: is not one JSON object: it breaks at byte 15 of the line. Mend or remove the line."
    ),
    (
      "{\"a\": 01, \"text\": \"a\"}",
      "line 1: is not one JSON object: it breaks at byte 8 of the line. Mend or remove the line."
    ),
  ])
  func brokenJSONLinesAreNamed(_ text: String, _ expected: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("a.jsonl", text)
    #expect(folder.problem(["a.jsonl"], options(.jsonLines(field: "text"))) == "a.jsonl, \(expected)")
  }

  @Test func theFirstBrokenLineIsNamedOnAnyThread() throws {
    let folder = try TemporaryFolder()
    var lines = (0..<60_000).map { "{\"text\": \"line \($0) of a long file of many batches\"}" }
    for broken in [20_000, 40_000, 59_999] { lines[broken] = "{" }
    try folder.write("a.jsonl", lines.joined(separator: "\n"))
    for threads in [1, 3] {
      var options = options(.jsonLines(field: "text"))
      options.threads = threads
      #expect(folder.problem(["a.jsonl"], options).hasPrefix("a.jsonl, line 20001: "))
    }
  }

  @Test func tablesGiveTheirColumns() throws {
    let folder = try TemporaryFolder()
    let csv = "id,title,body\r\n1,\"a, \"\"quoted\"\" one\",\"two\nlines\"\r\n\r\n2,plain 3\" nail,x\n"
    try folder.write("a.csv", [0xEF, 0xBB, 0xBF] + Array(csv.utf8))
    let named = TableLayout(columns: [.name("title"), .name("body")])
    #expect(
      try folder.prepare(["a.csv"], into: "1", options(.csv(named))).texts(.train) == [
        "a, \"quoted\" one\ntwo\nlines", "plain 3\" nail\nx",
      ])
    let numbered = TableLayout(columns: [.number(2)], hasHeader: false)
    #expect(
      try folder.prepare(["a.csv"], into: "2", options(.csv(numbered))).texts(.train) == [
        "title", "a, \"quoted\" one", "plain 3\" nail",
      ])
    try folder.write("a.tsv", "label\ttext\n1\t\"open quote\n2\tb\"c\n")
    let text = TableLayout(columns: [.name("text")])
    #expect(try folder.prepare(["a.tsv"], into: "3", options(.tsv(text))).texts(.train) == ["\"open quote", "b\"c"])
  }

  @Test(arguments: [
    (
      "a\tb\n1\t2\n", TableColumn.name("text"),
      "a.csv, line 1: has no comma, which parts the columns, and so no column text. Mend the row, or name the character that parts the columns: separator = tab, comma, semicolon, bar, space, colon, or one other ASCII character."
    ),
    (
      "a,text,c\n1,2,3\n3,4\n", .number(3),
      "a.csv, line 3: has 2 columns; column 3 is wanted. Mend the row, or name another column."
    ),
    (
      "a,b\n1,2\n", TableColumn.name("text"),
      "a.csv: has no column text; its columns are a, b. Name one of these, or give its number, from 1. Where the first row names no columns: --no-header, or header = false of a measure. A file that belongs to no corpus: prepare --exclude."
    ),
    ("text,text\n1,2\n", .name("text"), "a.csv: has several columns named text. Give the column's number, from 1."),
    (
      "text,b\nhello, you,1\n", .name("text"),
      "a.csv, line 2: has 3 columns, and the header row has 2. Put fields that hold the separator or quotes into quotes, or mend the row."
    ),
    (
      "a,text\n1,2\n3\n", .name("text"),
      "a.csv, line 3: has no comma, which parts the columns, and so no column 2. Mend the row, or name the character that parts the columns: separator = tab, comma, semicolon, bar, space, colon, or one other ASCII character."
    ),
    (
      "text\n\"x\ny\"\n\"open\n1\n", .name("text"),
      "a.csv, line 4: opens a quote that is never closed. Close it, or double the quotes inside the field."
    ),
    (
      "text\n\"x\" y\n", .name("text"),
      "a.csv, line 2: has text after the closing quote of field 1. Double the quotes inside the field."
    ),
    ("text\nx\n", .number(0), "a.csv: has no column 0. Columns are counted from 1."),
  ])
  func brokenTablesAreNamed(_ text: String, _ column: TableColumn, _ expected: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("a.csv", text)
    #expect(folder.problem(["a.csv"], options(.csv(TableLayout(columns: [column])))) == expected)
  }

  @Test func separatorsInARowPartOnce() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "\n \none\ntwo\r\n\t\r\n\nthree\n<|end|>\nfour")
    #expect(
      try folder.prepare(["a.txt"], into: "1", options(.text(.blankLines))).texts(.train) == [
        "one\ntwo", "three\n<|end|>\nfour",
      ])
    #expect(
      try folder.prepare(["a.txt"], into: "2", options(.text(.separatorLine("<|end|>")))).texts(.train) == [
        "\n \none\ntwo\r\n\t\r\n\nthree", "four",
      ])
    #expect(try folder.prepare(["a.txt"], into: "3", options(.text(.wholeFile))).texts(.train).count == 1)
    #expect(
      try folder.prepare(["a.txt"], into: "4", options(.text(.lines))).texts(.train) == [
        "one", "two", "three", "<|end|>", "four",
      ])
  }

  @Test func badInputsAreNamed() throws {
    let folder = try TemporaryFolder()
    #expect(folder.problem(["gone.txt"]) == "gone.txt: does not exist. Check the path.")
    #expect(folder.problem([]) == "inputs: are missing. Name at least one file or folder of text.")
    try folder.write("pictures/a.png", "x")
    #expect(
      folder.problem(["pictures"], PreparationOptions(format: .all(.text(.wholeFile))))
        == "pictures: holds no file to read that ends in .txt, .text (or one of these and .gz, .zst or .xz); 1 file passed over: by the ending (pictures/a.png). Name the files themselves with --input, one or more."
    )
    try folder.write("empty.txt", " \n")
    #expect(
      folder.problem(["empty.txt"]) == "empty.txt: holds no text: every document is empty. Name files that hold text.")
    try folder.write("short.txt", "abc")
    #expect(
      folder.problem(["short.txt"], PreparationOptions(split: .byDocumentHash(fraction: 1e-9)))
        == "short.txt: leaves nothing for validation: a share of 1e-09 of 1 documents is none. Choose a larger share, split off the tail instead of by document, or set a share of 0."
    )
    #expect(
      folder.problem(["short.txt"], PreparationOptions(split: .tail(fraction: 1.5), threads: 0))
        == "validation fraction is 1.5; it must be at least 0 and below 1. To measure models on the whole of a text, give 0 and evaluate --split train.\nthreads is 0; it must lie in 1...1024."
    )
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == [
        "empty.txt", "pictures", "short.txt",
      ])
  }

  @Test func damagedGzipIsNamed() throws {
    let folder = try TemporaryFolder()
    let packed = Gzip.deflate(Array(someDocuments(400).joined().utf8))
    try folder.write("cut.txt.gz", Array(packed.dropLast(9)))
    #expect(
      folder.problem(["cut.txt.gz"])
        == "cut.txt.gz: ends in the middle of its compressed data, after \(packed.count - 9) bytes. Fetch or compress the file again."
    )
    try folder.write("plain.txt.gz", "not compressed")
    #expect(
      folder.problem(["plain.txt.gz"])
        == "plain.txt.gz: is not a gzip file: it does not begin with the bytes 1f 8b. Rename it if it is not compressed."
    )
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["cut.txt.gz", "plain.txt.gz"])
  }

  @Test(arguments: [
    (";", "a;\"b;c\"\n", "b;c"), ("|", "a|b c|d\n", "b c"),
    ("space", "LOC:other How far\tis it ?\n", "How far\tis it ?"), ("colon", "LOC:other: far\n", "other: far"),
    ("tab", "a\tb\tc\n", "b"), ("comma", "a,\"b,c\"\n", "b,c"), ("#", "a#b#c\n", "b#c"),
  ])
  func anySeparatorPartsColumns(_ option: String, _ text: String, _ expected: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", text)
    let separator = try #require(TableSeparator(option: option))
    let corpus = try folder.prepare(
      ["a.txt"], options(.table(TableLayout(columns: [.number(2)], hasHeader: false), separator)))
    #expect(try corpus.texts(.train) == [expected])
  }

  @Test func misspeltOptionsAreNoSeparators() {
    for text in ["", "tabs", "é", "\"", "\n"] { #expect(TableSeparator(option: text) == nil) }
    #expect(
      DocumentRule(option: "lines") == .lines && DocumentRule(option: "file") == .wholeFile
        && DocumentRule(option: "blank-lines") == .blankLines)
    #expect(DocumentRule(option: "separator:--") == .separatorLine("--"))
    for text in ["line", "", "separator:", "<|end|>", "separator:a\nb"] { #expect(DocumentRule(option: text) == nil) }
    #expect(DocumentRule.nearest("line") == "lines" && DocumentRule.nearest("blanklines") == "blank-lines")
    #expect(
      DocumentRule.nearest("Files") == "file" && DocumentRule.nearest("<|endoftext|>") == "separator:<|endoftext|>")
  }

  @Test func filesOfManyMembersAndCutOnes() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt.gz", Gzip.deflate(Array("one\n".utf8)) + Gzip.deflate(Array("two\n".utf8)))
    #expect(try folder.prepare(["a.txt.gz"], options(.text(.lines))).texts(.train) == ["one", "two"])
  }
}
