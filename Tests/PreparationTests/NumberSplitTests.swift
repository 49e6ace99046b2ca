import Core
import Data
import DataSupport
import Foundation
@testable import Preparation
import Storage
import Testing

/// Sides, windows and what happens when a preparation is run again.
@Suite struct NumberSplitTests {
  /// Sequences 0 … n - 1 of 3, 4 and 5 rows, 10 · sequence + row, of the group g0 … g3.
  private func table(_ folder: TemporaryFolder, series: Int) throws {
    var text = "g,name,x\n"
    for s in 0..<series { for row in 0..<3 + s % 3 { text += "g\(s % 4),s\(s),\(10 * s + row)\n" } }
    try folder.write("a.csv", text)
  }

  @Test func windowsNeverCrossASequence() throws {
    let folder = try TemporaryFolder()
    try table(folder, series: 3)
    let corpus = try folder.prepareNumbers(["a.csv"], .series) {
      ($0.reader.group, $0.reader.channels) = ("name", ["x"])
    }
    let records = try #require(corpus.manifest.values)
    #expect(throws: ConfigurationError.self) { try records.shape(patch: []) }
    let shape = try records.shape(patch: [2], window: 4)
    let dataset = try ValueDataset(corpus, split: .train, shape: shape, order: .sequential)
    // 3 rows: one window; 4: one; 5: two.
    #expect(dataset.samplesPerEpoch == 4)
    let batch = try dataset.samples(at: 0..<4)
    #expect(batch.documentIDs == [0, 0, 0, 0, 0, 0, 0, -1])
    let (mean, deviation) = (records.mean[0], records.deviation[0])
    let rows: [[Double?]] = [[0, 1, 2, nil], [10, 11, 12, 13], [20, 21, 22, 23], [24, nil, nil, nil]]
    for (i, row) in rows.joined().enumerated() {
      #expect(batch.observed[i] == (row != nil))
      var expected = 0.0
      if let row { expected = (row - mean) / deviation }
      let difference: Double = abs(Double(batch.values[i]) - expected)
      #expect(difference < 1e-5, "number \(i)")
    }
    #expect(batch.field("group")?.ids == [0, 1, 2, 2])
    // A sample is the same with any others.
    #expect(try dataset.samples(at: 3..<4) == batch.taking([3]))
    let overlapping = try ValueDataset(corpus, split: .train, shape: shape, order: .sequential, stride: 1)
    #expect(overlapping.samplesPerEpoch == 1 + 1 + 2)
    #expect(try overlapping.samples(at: 3..<4).observed.allSatisfy { $0 })
  }

  @Test(arguments: [
    (10, 4, 4, 3), (10, 4, 2, 4), (10, 4, 3, 3), (3, 4, 4, 1), (4, 4, 1, 1), (7, 4, 8, 1), (9, 4, 8, 2),
  ])
  func windowsAreCounted(rows: Int, window: Int, stride: Int, expected: Int) throws {
    let folder = try TemporaryFolder()
    try folder.write("a.csv", "x\n" + (0..<rows).map { "\($0)\n" }.joined())
    let corpus = try folder.prepareNumbers(["a.csv"], .series)
    let shape = try #require(corpus.manifest.values).shape(patch: [1], window: window)
    let dataset = try ValueDataset(corpus, split: .train, shape: shape, order: .sequential, stride: stride)
    #expect(dataset.samplesPerEpoch == expected)
    // Every sample has a row, and the first row of sample i is i · stride.
    let batch = try dataset.samples(at: 0..<UInt64(expected))
    for i in 0..<expected { #expect(batch.documentIDs[i * window] == 0) }
  }

  /// Padding must be last in a sample: channels with positions of their own end in positions that nothing measured.
  @Test func channelsApartEndInUnmeasuredPositions() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.csv", "x,y\n" + (0..<6).map { "\($0),\(10 + $0)\n" }.joined())
    let corpus = try folder.prepareNumbers(["a.csv"], .series)
    let records = try #require(corpus.manifest.values)
    for (separate, documents) in [(true, [0, 0, 0, 0]), (false, [0, -1])] {
      let shape = try records.shape(patch: [2], separateChannels: separate, window: 4)
      let batch = try ValueDataset(corpus, split: .train, shape: shape, order: .sequential).samples(at: 1..<2)
      #expect(batch.documentIDs.map(Int.init) == documents)
      #expect(batch.observed.count { $0 } == 4 && batch.values.count == 8)
    }
  }

  /// The difference of 2e38 and -2e38 is infinite in single precision.
  @Test func numbersWhoseDifferencesOverflowAreRefused() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.tsv", "1\t1\t2e38\n2\t6\t-2e38\n")
    let error = try #require(throws: DataError.self) { try folder.prepareNumbers(["a.tsv"], .ucr) }
    #expect("\(error)".contains("between -1e30 and 1e30"), "\(error)")
    try folder.write("b.tsv", "1\t1\t1e30\n2\t6\t-1e30\n")
    let corpus = try folder.prepareNumbers(["b.tsv"], .ucr)
    let shape = try #require(corpus.manifest.values).shape(patch: [1])
    let batch = try ValueDataset(corpus, split: .train, shape: shape, order: .sequential).samples(at: 0..<2)
    #expect(batch.values.allSatisfy { $0.isFinite })
  }

  @Test func longRecordsAreCutAsWell() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.tsv", "1\t1\t2\t3\t4\t5\n2\t6\t7\t8\t9\t10\n")
    let corpus = try folder.prepareNumbers(["a.tsv"], .ucr)
    let records = try #require(corpus.manifest.values)
    let shape = try records.shape(patch: [3], window: 3)
    let batch = try ValueDataset(corpus, split: .train, shape: shape, order: .sequential).samples(at: 0..<4)
    #expect(batch.field("label")?.ids == [0, 0, 1, 1])
    #expect(batch.observed == [true, true, true, true, true, false, true, true, true, true, true, false])
    let expected: Double = (4 - records.mean[0]) / records.deviation[0]
    #expect(abs(Double(batch.values[3]) - expected) < 1e-5)
    let whole = try ValueDataset(corpus, split: .train, shape: try records.shape(patch: [5]), order: .sequential)
    #expect(try whole.samples(at: 0..<2).observed.isEmpty)
  }

  @Test func aGroupIsOnOneSide() throws {
    let folder = try TemporaryFolder()
    for s in 0..<24 { try folder.write("in/\(s)_g\(s % 4).wav", NumberFixtures.wav([Int16(s), 1])) }
    let corpus = try folder.prepareNumbers(["in"]) {
      $0.reader.groupFrom = try NameRule("_(g[0-9])", option: "--group-from")
      $0.split = .byField("group", fraction: 0.3)
    }
    let (train, validation) = (try corpus.tensor("group").numbers, try corpus.tensor("group", .validation).numbers)
    #expect(train.count + validation.count == 24)
    #expect(validation.count >= 8)
    #expect(Set(train).isDisjoint(with: validation))
    #expect(corpus.manifest.split == .init(rule: "by group", fraction: 0.3))
    let byFile = try folder.prepareNumbers(["in"]) { $0.split = .byField("file", fraction: 0.5) }
    #expect(byFile.manifest.validation.documents == 12)
    #expect(throws: ConfigurationError.self) {
      try folder.prepareNumbers(["in"]) { $0.split = .byField("speaker", fraction: 0.5) }
    }
  }

  @Test func meansAreThoseOfTheTrainingRows() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.csv", "x\n" + (0..<10).map { "\($0)\n" }.joined())
    let corpus = try folder.prepareNumbers(["a.csv"], .series) { $0.split = .tail(fraction: 0.2) }
    #expect(try corpus.tensor("values").numbers == (0..<8).map { Float($0) })
    #expect(try corpus.tensor("values", .validation).numbers == [8, 9])
    #expect(corpus.manifest.values?.mean == [3.5])
    try folder.write("b.idx", NumberFixtures.idx([4, 1], [1, 2, 3, 100]))
    let last = try folder.prepareNumbers(["b.idx"]) { $0.split = .tail(fraction: 0.25) }
    #expect(last.manifest.values?.mean == [2] && last.manifest.validation.documents == 1)
    try folder.write("c.idx", NumberFixtures.idx([1, 1], [9]))
    let official = try folder.prepareNumbers(["b.idx"]) {
      ($0.validationInputs, $0.split) = ([folder.path + "/c.idx"], .files)
    }
    #expect(official.manifest.train.documents == 4 && official.manifest.validation.documents == 1)
    #expect(official.manifest.split.rule == "files")
  }

  @Test func aCorpusIsMadeOnceAndDamageIsNamed() throws {
    let folder = try TemporaryFolder()
    try table(folder, series: 30)
    func run(_ share: Double) throws -> PreparationOutcome {
      var options = NumberOptions()
      (options.format, options.reader.group, options.reader.channels) = (.series, "name", ["x"])
      (options.split, options.shardBytes) = (.byContent(fraction: share), 64)
      return try NumberPreparation(inputs: [folder.path + "/a.csv"], target: folder.path + "/corpus", options: options)
        .run()
    }
    #expect(try !run(0.3).alreadyPrepared)
    #expect(try run(0.3).alreadyPrepared)
    #expect(throws: DataError.self) { try run(0.4) }
    let corpus = try Corpus(folder.path + "/corpus")
    #expect(corpus.manifest.train.count > 2)
    let documents = corpus.manifest.train.documents + corpus.manifest.validation.documents
    #expect(documents == 30)
    #expect(try CorpusInspection(corpus.folder, verify: true).isIntact)
    let path = corpus.folder + "/train-00001.safetensors"
    var bytes = try #require(FileManager.default.contents(atPath: path))
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    let inspection = try CorpusInspection(corpus.folder, verify: true)
    #expect(inspection.problems.first?.contains("train-00001.safetensors") == true)
    #expect(inspection.lines.contains { $0.hasPrefix("sequences with rows of 1 number, steps") })
  }

  @Test func whatAnInputIsIsSaidByItsEnding() throws {
    let folder = try TemporaryFolder()
    try folder.write("in/deep/1.wav", NumberFixtures.wav([1]))
    #expect(NumberFormat(ofInput: folder.path + "/in") == .sound)
    // A folder with text in it is text, as ever.
    try folder.write("in/readme.txt", "a")
    #expect(NumberFormat(ofInput: folder.path + "/in") == nil)
    for (name, format) in [
      ("a.npy.gz", .npy), ("t10k-images-idx3-ubyte", .idx), ("A.PNG", .images), ("a.csv", nil), ("a.tsv.gz", nil),
    ] as [(String, NumberFormat?)] {
      #expect(NumberFormat(ofInput: folder.path + "/" + name) == format, "\(name)")
    }
    #expect(throws: ConfigurationError.self) { try folder.prepareNumbers(["in/deep/1.wav", "a.npy"]) }
    // Options of another format.
    #expect(throws: ConfigurationError.self) { try folder.prepareNumbers(["in/deep/1.wav"]) { $0.reader.time = "t" } }
    #expect(throws: ConfigurationError.self) { try folder.prepareNumbers(["in/deep/1.wav"]) { $0.labels = ["a.idx"] } }
  }

  /// Manifests of corpora that are older than sequences and names of classes.
  @Test func olderEntriesOfAManifestAreOfRecords() throws {
    let text = """
      {"channels":1,"extent":[2],"unit":"steps","fields":[{"name":"label","length":1,"size":1,"classes":3}],\
      "has_observed":false,"mean":[0],"deviation":[1]}
      """
    let records = try JSONDecoder.snakeCase().decode(ValueRecords.self, from: Foundation.Data(text.utf8))
    #expect(records.form == .records && records.rowFields.isEmpty)
    #expect(records.fields == [FieldShape("label", classes: 3)])
  }

  @Test func aStopLeavesNothing() throws {
    struct Stop: Error {}
    let folder = try TemporaryFolder()
    try table(folder, series: 30)
    var options = NumberOptions()
    options.format = .series
    (options.reader.group, options.reader.channels) = ("name", ["x"])
    let preparation = NumberPreparation(
      inputs: [folder.path + "/a.csv"], target: folder.path + "/corpus", options: options)
    #expect(throws: Stop.self) { try preparation.run { if $0.phase == .writing { throw Stop() } } }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.csv"])
    #expect(try !preparation.run().alreadyPrepared)
  }
}
