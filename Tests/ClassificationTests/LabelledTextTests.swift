@testable import Classification
import Collectives
import Core
@testable import Evaluation
import Foundation
@testable import Kernels
import Testing

/// Files of labelled text: what is read, and what each mistake says.
@Suite struct LabelledTextTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("labelled-\(UUID().uuidString)")
    .path

  private func file(_ name: String, _ text: String) throws -> String {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let path = "\(folder)/\(name)"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  private func options(_ train: String, _ change: (inout LabelledTextOptions) -> Void = { _ in }) -> LabelledTextOptions
  {
    var options = LabelledTextOptions()
    options.train = train
    change(&options)
    return options
  }

  private func text(_ example: LabelledText.Example) -> String { String(decoding: example.text, as: UTF8.self) }

  @Test func quotedFieldsAndNamedColumns() throws {
    let train = try file("a.csv", "id,label,text,title\n1,yes,\"one, \"\"two\"\"\",t1\n\n2,no,\"three\nfour\",t2\r\n")
    let data = try LabelledText.read(
      options(train) {
        $0.test = train
        $0.textColumn = "title, text"
      }, seed: 1)
    #expect(data.classes == ["no", "yes"])
    #expect(data.train.map(\.label) == [1, 0])
    #expect(data.train.map(text) == ["t1\none, \"two\"", "t2\nthree\nfour"])
    #expect(data.test == data.train)
  }

  @Test func numbersAreColumnsAndNumericLabelsSortAsNumbers() throws {
    let train = try file("a.tsv", "a \"b\t10\nc\t 9\nd\t-1\n")
    let data = try LabelledText.read(
      options(train) {
        ($0.test, $0.textColumn, $0.labelColumn, $0.header) = (train, "1", "2", false)
      }, seed: 1)
    #expect(data.classes == ["-1", "9", "10"])
    #expect(data.train.map(text) == ["a \"b", "c", "d"])
  }

  @Test func aFifthIsHeldOutAndSubsetsAreDrawn() throws {
    let train = try file("a.tsv", "text\tlabel\n" + (0..<50).map { "t\($0)\t\($0 % 2)\n" }.joined())
    let data = try LabelledText.read(options(train), seed: 1)
    #expect(data.train.count == 40 && data.test.count == 10)
    #expect(Set((data.train + data.test).map(text)).count == 50)
    let few = try LabelledText.read(options(train) { ($0.trainExamples, $0.testExamples) = (20, 4) }, seed: 1)
    #expect(few.train.count == 20 && few.test.count == 4)
    #expect(
      Set(few.train.map(text)).isSubset(of: data.train.map(text))
        && Set(few.test.map(text)).isSubset(of: data.test.map(text)))
    #expect(try LabelledText.read(options(train), seed: 2).test != data.test)
    #expect(try LabelledText.read(options(train), seed: 1, SingleRank()) == data)
  }

  @Test func validationIsAFifthOfEachClass() throws {
    let examples = (0..<53).map { LabelledText.Example(text: [65], label: $0 < 43 ? 0 : 1) }
    let data = LabelledText(classes: ["a", "b"], train: examples, test: [])
    let (fit, validation) = try data.validationSplit(seed: 3, place: "x.tsv")
    #expect(Set(fit + validation) == Set(0..<53) && fit.count + validation.count == 53)
    #expect(validation.filter { $0 < 43 }.count == 8 && validation.filter { $0 >= 43 }.count == 2)
    let few = LabelledText(classes: ["a", "b"], train: Array(examples[40..<46]), test: [])
    #expect(throws: DataError.self) { try few.validationSplit(seed: 3, place: "x.tsv") }
  }

  @Test(arguments: [
    ("text\tclass\na\t1\n", "has no column label; its columns are text, class"),
    ("text\tlabel\na\t1\nb\n", "line 3: has no tab, which parts the columns, and so no column 2"),
    ("text\tlabel\na\t1\nb\t \n", "line 3: has no label"),
    ("text\tlabel\na\t1\n \t2\n", "line 3: has no text"),
    ("text\tlabel\na\t1\nb\t1\n", "has one label only in column label, 1, among 2 training examples. Name the column"),
    ("text\tlabel\n", "holds no examples"),
    ("", "holds no examples"),
  ])
  func mistakesAreNamed(text: String, sentence: String) throws {
    let train = try file("a.tsv", text)
    let error = try #require(throws: DataError.self) {
      try LabelledText.read(options(train) { $0.test = train }, seed: 1)
    }
    #expect("\(error)".contains(sentence), "\(error)")
    #expect("\(error)".contains("a.tsv"))
  }

  @Test func otherMistakes() throws {
    func sentence(_ options: LabelledTextOptions) -> String {
      do { return "\(try LabelledText.read(options, seed: 1))" } catch { return "\(error)" }
    }
    let good = try file("good.tsv", "text\tlabel\na\t1\nb\t2\n")
    let other = try file("other.tsv", "text\tlabel\nc\t1\n\nd\t3\n")
    #expect(
      sentence(options(good) { $0.test = other }).contains(
        "other.tsv, line 4: has the label 3, which no training example has; those have 1, 2"))
    #expect(sentence(options(good)).contains("too few to hold out a fifth"))
    #expect(sentence(options(folder + "/missing.tsv")).contains("missing.tsv: does not exist"))
    let open = try file("open.csv", "text,label\n\"a,1\n")
    #expect(sentence(options(open) { $0.test = open }).contains("open.csv, line 2: opens a quote that is never closed"))
    let many = try file("many.tsv", "text\tlabel\n" + (0..<1001).map { "a\t\($0)\n" }.joined())
    #expect(
      sentence(options(many) { $0.test = many }).contains(
        "has 1001 different labels in column label; there can be 1000"))
  }

  /// Labels in front, a space behind, no header: what `separator` reads, and what is said without it.
  @Test func anotherSeparatorIsTakenOrAdvised() throws {
    let train = try file("trec.tsv", "LOC:other How far is it ?\r\nDESC:manner How did it go ?\r\n")
    let data = try LabelledText.read(
      options(train) {
        ($0.test, $0.separator, $0.header, $0.labelColumn, $0.textColumn) = (train, "space", false, "1", "2")
      }, seed: 1)
    #expect(
      data.classes == ["DESC:manner", "LOC:other"] && data.train.map(text) == ["How far is it ?", "How did it go ?"])
    #expect(
      data.notes == [
        "\(train): 2 lines end in CRLF; the carriage return is no text at the end of a document or row, and is kept inside one"
      ])
    #expect(
      try LabelledText.read(
        options(train) {
          ($0.test, $0.separator, $0.header, $0.labelColumn, $0.textColumn) = (train, "space", false, "1", "2")
        }, seed: 1, SingleRank()) == data)
    let error = try #require(throws: ConfigurationError.self) { try options(train).checkFiles("knn") }
    #expect(
      "\(error)".hasPrefix(
        "measures.knn.separator is empty, but \(train), line 1: has no tab, which parts the columns, and so no column text."
      ))
    #expect(
      "\(error)".hasSuffix(
        "Where each line is a label, a space and a text: --set knn.separator=space --set knn.header=false --set knn.label_column=1 --set knn.text_column=2."
      ))
    // A single row without a tab is that row's fault.
    let row = try file("row.tsv", "text\tlabel\na\t1\nb\n")
    let other = try #require(throws: ConfigurationError.self) { try options(row).checkFiles("knn") }
    #expect(other.problems.map(\.key) == ["measures.knn.label_column"])
    let wrong = options("a.txt") { $0.separator = "tabs" }.problems("knn")
    #expect(wrong.map(\.key) == ["measures.knn.separator"])
  }

  @Test func latinTextIsNoted() throws {
    let path = folder + "/latin.tsv"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(Array("text\tlabel\nok\t1\ncaf".utf8) + [0xE9] + Array("\t2\n".utf8)).write(to: URL(fileURLWithPath: path))
    let data = try LabelledText.read(options(path) { $0.test = path }, seed: 1)
    #expect(
      data.remarks.last
        == "\(path): 1 line is not valid UTF-8, from line 3 on; the bytes were kept; it looks like ISO-8859-1: iconv -f ISO-8859-1 -t UTF-8 converts it"
    )
  }

  @Test func optionsNameTheirKeys() {
    func keys(_ make: () throws(ConfigurationError) -> any Measure) -> [String] {
      do throws(ConfigurationError) {
        _ = try make()
        return []
      } catch { return error.problems.map(\.key) }
    }
    #expect(keys { () throws(ConfigurationError) in try BagOfWordsMeasure(.init()) } == ["measures.bag-of-words.train"])
    #expect(keys { () throws(ConfigurationError) in try ProbeMeasure(.init()) }.isEmpty)
    var probe = ProbeMeasure.Options()
    (probe.train, probe.test, probe.features, probe.trainExamples) = ("a.txt", "b.tsv.gz", "first", -1)
    #expect(
      keys { () throws(ConfigurationError) in try ProbeMeasure(probe) } == [
        "measures.probe.train", "measures.probe.train_examples", "measures.probe.features",
      ])
    var knn = NearestNeighboursMeasure.Options()
    (knn.train, knn.neighbours, knn.labelColumn, knn.textColumn) = ("a.csv", 0, "", " ")
    #expect(
      keys { () throws(ConfigurationError) in try NearestNeighboursMeasure(knn) } == [
        "measures.knn.text_column", "measures.knn.label_column", "measures.knn.neighbours",
      ])
    var bag = BagOfWordsMeasure.Options()
    bag.shared = options("a.csv")
    (bag.weighting, bag.minTexts) = ("tfidf", 0)
    #expect(
      keys { () throws(ConfigurationError) in try BagOfWordsMeasure(bag) } == [
        "measures.bag-of-words.weighting", "measures.bag-of-words.min_texts",
      ])
    var tune = FinetuneMeasure.Options()
    (tune.train, tune.feature, tune.epochs, tune.learningRate, tune.batch, tune.dropout, tune.weightDecay) = (
      "a.csv", "all", 0, 0, 0, 1, 2
    )
    #expect(
      keys { () throws(ConfigurationError) in try FinetuneMeasure(tune) }
        == ["feature", "epochs", "learning_rate", "batch", "dropout", "weight_decay"].map { "measures.finetune.\($0)" })
  }
}
