import Collectives
import Core
import Data
import Evaluation
import Foundation
import Preparation
import Storage
import Tokenizers

/// Texts with a class each, for training and for testing.
struct LabelledText: LabelledExamples, Equatable {
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

  // MARK: - As examples

  var trainLabels: [Int] { train.map(\.label) }
  var testLabels: [Int] { test.map(\.label) }

  func shown(test index: Int) -> (line: Int, text: [UInt8]) { (test[index].line, test[index].text) }

  func features(_ options: some FrozenFeatureOptions, _ measure: String, _ context: MeasureContext) throws
    -> FrozenFeatures
  {
    let texts = try encoded(context)
    let poolings = try Pooling.chosen(options.features, framed: texts.framed, measure: measure)
    let examples = try context.features(
      poolings, texts, parameters: options.untrained ? context.model.untrained(seed: context.seed) : nil)
    return FrozenFeatures(
      poolings, examples,
      notes: texts.notes(context: context.model.configuration.maxPosition)
        + FrozenFeatures.notes(options, framed: texts.framed))
  }

  func rawInput(_ context: MeasureContext) throws -> RawInput? { nil }

  func tuningExamples(_ context: MeasureContext) throws -> any TuningExamples {
    TuningTexts(self, try encoded(context), context)
  }

  /// All texts as the model reads them, training texts first.
  private func encoded(_ context: MeasureContext) throws -> EncodedTexts {
    try EncodedTexts((train + test).map(\.text), try TokenizerLoader.load(context.model.path), context.model)
  }

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
