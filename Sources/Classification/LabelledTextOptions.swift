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
  /// At most so many test examples; 0 for all.
  public var testExamples = 0

  public init() {}

  public static let sentences = [
    "train": "A file with one text and one label per row, .tsv or .csv, also .gz; for models of text it must be given.",
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

/// A measure on labelled examples: it predicts a class for each.
public protocol LabelledTextMeasure: Measure where Options == CombinedOptions<LabelledTextOptions, OwnOptions> {
  /// The options of the measure itself.
  associatedtype OwnOptions: MeasureOptions
  var options: Options { get }
}

extension LabelledTextMeasure {
  public func checkFiles() throws(ConfigurationError) { try options.shared.checkFiles(Self.name) }

  public var labelledData: String? { options.shared.examples }
}

extension LabelledTextOptions {
  /// What is wrong with the options all of them share, under `measures.<measure>`.
  /// - Parameter needsTable: `train` must be given.
  func problems(_ measure: String, needsTable: Bool = true) -> [ConfigurationError.Problem] {
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ sentence: String) {
      if !holds { problems.append(.init(key: "measures.\(measure).\(key)", sentence: sentence)) }
    }
    require(
      !needsTable || !train.isEmpty, "train", "is missing; name a TSV or CSV file with one text and one label per row.")
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
    guard !train.isEmpty else { return }
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
