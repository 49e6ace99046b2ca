import Collectives
import Core
import Data
import Evaluation
import Foundation
import Preparation
import Storage

/// Options that all measures on labelled text share.
public struct LabelledTextOptions: MeasureOptions {
  /// A CSV or TSV file, or one with another separator, compressed or not, with one text and one label per row.
  public var train = ""
  /// Another such file; empty to hold out a fifth of `train`.
  public var test = ""
  /// Name of the text's column, or its number from 1; several with commas between them are joined by line ends.
  public var textColumn = "text"
  /// Name of the label's column, or its number from 1.
  public var labelColumn = "label"
  /// The first row names the columns.
  public var header = true
  /// What parts the columns: a name such as `tab` or `space`, or a character; empty for what the file's ending says.
  public var separator = ""
  /// At most so many examples, drawn by the seed; 0 for all.
  public var trainExamples = 0
  public var testExamples = 0

  public init() {}

  public static let sentences = [
    "train": "A file with one text and one label per row, .tsv or .csv, also .gz; it must be given.",
    "test": "Another such file; empty to hold out a fifth of train.",
    "text_column":
      "Name of the text's column, or its number from 1; several with commas between them are joined by line ends.",
    "label_column": "Name of the label's column, or its number from 1.",
    "header": "The first row names the columns.",
    "separator": "Separator of the columns, where the file extension does not imply it.",
    "train_examples": "At most so many training examples, drawn by the seed; 0 for all.",
    "test_examples": "At most so many test examples, drawn by the seed; 0 for all.",
  ]
}

/// A measure on labelled text: it predicts a class for each example.
public protocol LabelledTextMeasure: Measure where Options == CombinedOptions<LabelledTextOptions, OwnOptions> {
  associatedtype OwnOptions: MeasureOptions
  var options: Options { get }
}

extension LabelledTextMeasure {
  public func checkFiles() throws(ConfigurationError) { try options.shared.checkFiles(Self.name) }

  public var labelledData: String? { options.shared.examples }
}

extension LabelledTextOptions {
  /// What is wrong with the options all of them share, under `measures.<measure>`.
  func problems(_ measure: String) -> [ConfigurationError.Problem] {
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ sentence: String) {
      if !holds { problems.append(.init(key: "measures.\(measure).\(key)", sentence: sentence)) }
    }
    require(!train.isEmpty, "train", "is missing; name a TSV or CSV file with one text and one label per row.")
    require(
      separator.isEmpty || tableSeparator != nil, "separator",
      "is \"\(separator)\"; it must be \(TableSeparator.choices).")
    for (key, path) in [("train", train), ("test", test)] where !path.isEmpty && separator.isEmpty {
      require(
        TableFile.isTable(path), key,
        "is \(path); it must end in .tsv or .csv (.gz, .zst or .xz may follow), or `separator` must say what parts the columns."
      )
    }
    let isNamed = !textColumns.contains(.name(""))
    require(
      isNamed, "text_column",
      "is \"\(textColumn)\", which leaves a column without a name; name the column with the text, or give its number from 1."
    )
    require(
      !labelColumn.isEmpty, "label_column", "is empty; name the column with the label, or give its number from 1.")
    require(trainExamples >= 0, "train_examples", "is \(trainExamples); it must be 0 (all) or more.")
    require(testExamples >= 0, "test_examples", "is \(testExamples); it must be 0 (all) or more.")
    return problems
  }

  /// Names the examples: equal for measures of the same ones.
  var examples: String {
    [train, test, textColumn, labelColumn, "\(header)", "\(trainExamples)", "\(testExamples)"].joined(
      separator: "\u{1F}")
  }

  /// Reads the files once, and says which option is wrong where that fails.
  func checkFiles(_ measure: String) throws(ConfigurationError) {
    do { _ = try LabelledText.read(self, seed: 1) } catch {
      let (key, value) = blamed("\(error)")
      var sentence = "is \(value), but \(error)"
      if key == "separator" {
        let settings = ["separator=space", "header=false", "label_column=1", "text_column=2"].map {
          "--set \(measure).\($0)"
        }
        sentence += " Where each line is a label, a space and a text: \(settings.joined(separator: " "))."
      }
      throw ConfigurationError(problems: [.init(key: "measures.\(measure).\(key)", sentence: sentence)])
    }
  }

  /// The column whose reading alone fails so, or else the file.
  private func blamed(_ error: String) -> (key: String, value: String) {
    for path in [train, test] where !path.isEmpty {
      // Nothing parts its columns: another table than its name says.
      if let table = try? table(path, [.number(1)], header: false), table.width == 1, error.contains(path) {
        return ("separator", separator.isEmpty ? "empty" : separator)
      }
      for (key, columns, value) in [
        ("text_column", textColumns, textColumn), ("label_column", [TableColumn(labelColumn)], labelColumn),
      ] {
        do { _ = try table(path, columns, header: header) } catch let found where "\(found)" == error {
          // A file that cannot be read at all fails so for every column.
          if !fails(path, [.number(1)], header: header) { return (key, value) }
        } catch {}
      }
    }
    return !test.isEmpty && error.contains(test) ? ("test", test) : ("train", train)
  }

  private func fails(_ path: String, _ columns: [TableColumn], header: Bool) -> Bool {
    do {
      _ = try table(path, columns, header: header)
      return false
    } catch { return true }
  }

  func table(_ path: String, _ columns: [TableColumn], header: Bool) throws -> TableFile {
    try TableFile(path, TableLayout(columns: columns, hasHeader: header), separator: tableSeparator)
  }

  var tableSeparator: TableSeparator? { separator.isEmpty ? nil : TableSeparator(option: separator) }

  var textColumns: [TableColumn] {
    textColumn.split(separator: ",", omittingEmptySubsequences: false).map {
      TableColumn($0.trimmingCharacters(in: .whitespaces))
    }
  }
}

/// Texts with a class each, for training and for testing.
public struct LabelledText: Sendable, Equatable {
  struct Example: Sendable, Equatable {
    let text: [UInt8]
    /// Index into `classes`.
    let label: Int
    /// Where it begins in its file, from 1.
    var line = 1
  }

  /// Labels as they stand in the files, in rising order: of numbers where all are, otherwise of bytes.
  let classes: [String]
  let train: [Example]
  let test: [Example]
  /// Sentences about what was odd in the files.
  var notes: [String] = []

  /// More labels than this are no classes.
  static let mostClasses = 1_000

  // MARK: - Reading

  /// Reads the files on rank 0, which alone needs to have them, and sends the examples to all. Collective.
  ///
  /// - Throws: `DataError` naming file and line; `FileError`.
  static func read(_ options: LabelledTextOptions, seed: UInt64, _ communicator: any Communicator) throws
    -> LabelledText
  {
    var bytes: [UInt8] = []
    if communicator.rank == 0 {
      bytes = [UInt8](try JSONEncoder.snakeCase().encode(Packed(try read(options, seed: seed))))
    }
    bytes = try communicator.broadcast(bytes)
    return try JSONDecoder.snakeCase().decode(Packed.self, from: Data(bytes)).unpacked
  }

  static func read(_ options: LabelledTextOptions, seed: UInt64) throws -> LabelledText {
    let (all, trainNotes) = try rows(options.train, options)
    var notes = trainNotes
    let drawn = KeyedPermutation(count: all.count, seed: seed, epoch: 0)
    let (train, test): ([Row], [Row])
    if options.test.isEmpty {
      guard all.count >= 10 else {
        throw DataError(
          options.train, "has \(counted(all.count, "example")), too few to hold out a fifth of them.",
          remedy: "Name a test file, or give more examples.")
      }
      let held = Set((0..<all.count / 5).map { drawn[$0] })
      (train, test) = (all.indices.filter { !held.contains($0) }.map { all[$0] }, held.sorted().map { all[$0] })
    } else {
      let (others, testNotes) = try rows(options.test, options)
      if options.test != options.train { notes += testNotes }
      (train, test) = (all, others)
    }
    let (chosen, tested) = (
      some(options.trainExamples, of: train, seed, 1), some(options.testExamples, of: test, seed, 2)
    )
    let classes = try classes(of: chosen, options)
    let place = options.test.isEmpty ? options.train : options.test
    return LabelledText(
      classes: classes, train: try examples(chosen, classes, options.train, trainedOn: options.train),
      test: try examples(tested, classes, place, trainedOn: options.train), notes: notes)
  }

  private struct Row {
    let text: [UInt8]
    let label: String
    let line: Int
  }

  private static func rows(_ path: String, _ options: LabelledTextOptions) throws -> (rows: [Row], notes: [String]) {
    let table = try options.table(
      path, options.textColumns + [TableColumn(options.labelColumn)], header: options.header)
    let rows = try table.rows.map { entry in
      let text = Array(entry.fields.dropLast().joined(separator: [UInt8(ascii: "\n")]))
      let label = String(decoding: entry.fields[entry.fields.count - 1], as: UTF8.self).trimmingCharacters(
        in: .whitespacesAndNewlines)
      guard !label.isEmpty else {
        throw DataError("\(path), line \(entry.line)", "has no label.", remedy: "Give it one, or remove the row.")
      }
      guard text.contains(where: { $0 > 0x20 }) else {
        throw DataError(
          "\(path), line \(entry.line)", "has no text.", remedy: "Remove the row, or name another column.")
      }
      return Row(text: text, label: label, line: entry.line)
    }
    guard !rows.isEmpty else {
      throw DataError(path, "holds no examples.", remedy: "Name a file with one text and one label per row.")
    }
    return (rows, table.notes)
  }

  /// `count` of the rows by the seed's draw, in file order; all for 0.
  private static func some(_ count: Int, of rows: [Row], _ seed: UInt64, _ draw: UInt64) -> [Row] {
    guard count > 0, count < rows.count else { return rows }
    let order = KeyedPermutation(count: rows.count, seed: seed, epoch: draw)
    return (0..<count).map { order[$0] }.sorted().map { rows[$0] }
  }

  private static func classes(of rows: [Row], _ options: LabelledTextOptions) throws(DataError) -> [String] {
    let labels = Set(rows.map(\.label))
    let column = "column \(options.labelColumn)"
    guard labels.count >= 2 else {
      throw DataError(
        options.train, "has one label only in \(column), \(labels.first ?? ""), among \(rows.count) training examples.",
        remedy: "Name the column with the labels, or give examples of every class.")
    }
    guard labels.count <= mostClasses else {
      throw DataError(
        options.train,
        "has \(labels.count) different labels in \(column); there can be \(counted(mostClasses, "class", "classes")).",
        remedy: isScore(labels) ? scoresAreNoClasses : "Name the column with the labels.")
    }
    let numbers = labels.compactMap { label in Int(label).map { ($0, label) } }
    guard numbers.count == labels.count else { return labels.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
    return numbers.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.1)
  }

  /// Numbers with fractions: what a regression has, or ratings.
  private static func isScore(_ labels: Set<String>) -> Bool {
    labels.allSatisfy { Double($0) != nil } && labels.contains { Double($0) != Double($0)?.rounded() }
  }

  private static func remedyForOneFile(_ tested: Int, _ labels: Int) -> String {
    2 * labels > tested
      ? "There are \(labels) different labels among \(counted(tested, "test example")): is label_column the column with the labels?"
      : "Give more examples of each class, so that a part can be held out."
  }

  private static let scoresAreNoClasses =
    "These labels are scores, numbers with fractions; a classifier needs classes, such as the scores rounded."

  private static func examples(_ rows: [Row], _ classes: [String], _ path: String, trainedOn trainPath: String)
    throws(DataError) -> [Example]
  {
    let index = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
    var examples: [Example] = []
    for row in rows {
      guard let label = index[row.label] else {
        throw DataError(
          "\(path), line \(row.line)",
          "has the label \(row.label), which no training example has; those have \(classes.prefix(20).joined(separator: ", ")).",
          remedy: isScore(Set(rows.map(\.label)))
            ? scoresAreNoClasses
            : path == trainPath
              ? remedyForOneFile(rows.count, Set(rows.map(\.label)).count)
              : "Use the same labels in both files, or more training examples.")
      }
      examples.append(Example(text: row.text, label: label, line: row.line))
    }
    return examples
  }

  // MARK: - Parts

  /// A fifth of the training examples of each class, by the seed's draw: where the strength of a penalty is chosen.
  /// - Throws: `DataError` when no class has five examples.
  func validationSplit(seed: UInt64, place: String) throws(DataError) -> (fit: [Int], validation: [Int]) {
    let order = KeyedPermutation(count: train.count, seed: seed, epoch: 3)
    var (seen, validation) = ([Int](repeating: 0, count: classes.count), Set<Int>())
    for rank in train.indices {
      let index = order[rank]
      seen[train[index].label] += 1
      if seen[train[index].label] % 5 == 0 { validation.insert(index) }
    }
    guard !validation.isEmpty else {
      throw DataError(
        place, "has fewer than five training examples of every class.",
        remedy: "Give more, so that a fifth can be set aside.")
    }
    return (train.indices.filter { !validation.contains($0) }, validation.sorted())
  }

  /// How often each class occurs among the training examples, for a note.
  var description: String {
    var counts = [Int](repeating: 0, count: classes.count)
    for example in train { counts[example.label] += 1 }
    let shown = zip(classes, counts).prefix(10).map { "\($0) (\($1))" }.joined(separator: ", ")
    return
      "Trained on \(counted(train.count, "example")) of \(counted(classes.count, "class", "classes")): \(shown)\(classes.count > 10 ? ", …" : ""); tested on \(test.count)."
  }

  /// What a reader of the results must know of the examples.
  var remarks: [String] { [description] + notes }

  /// As one message.
  private struct Packed: Codable {
    let classes: [String]
    let trainCount: Int
    let labels: [Int]
    let lengths: [Int]
    let lines: [Int]
    let notes: [String]
    /// All texts, one behind the other.
    let text: Data

    init(_ all: LabelledText) {
      let examples = all.train + all.test
      (classes, trainCount, notes) = (all.classes, all.train.count, all.notes)
      (labels, lengths, lines) = (examples.map(\.label), examples.map(\.text.count), examples.map(\.line))
      text = Data(examples.flatMap(\.text))
    }

    var unpacked: LabelledText {
      var (start, examples) = (0, [Example]())
      let bytes = [UInt8](text)
      for (index, length) in lengths.enumerated() {
        examples.append(Example(text: Array(bytes[start..<start + length]), label: labels[index], line: lines[index]))
        start += length
      }
      return LabelledText(
        classes: classes, train: Array(examples[..<trainCount]), test: Array(examples[trainCount...]), notes: notes)
    }
  }
}

extension Predictions {
  /// - Parameter predicted: the class of each test example.
  init(_ name: String, _ predicted: [Int], _ data: LabelledText) {
    precondition(
      predicted.count == data.test.count, "\(predicted.count) predictions for \(data.test.count) test examples")
    self.init(
      name: name,
      rows: zip(predicted, data.test).map {
        Row(line: $1.line, label: data.classes[$1.label], predicted: data.classes[$0], text: $1.text)
      })
  }
}
