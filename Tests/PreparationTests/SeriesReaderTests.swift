import Core
import Data
import DataSupport
import Foundation
@testable import Preparation
import Testing

/// UCR, `.ts` and tables of series.
@Suite struct SeriesReaderTests {
  @Test func ucrOfOneLengthIsRecords() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.tsv", "-1\t1\t2\tNaN\n1.0000e+00\t4\t5\t6\n")
    let corpus = try folder.prepareNumbers(["a.tsv"], .ucr)
    // The end NaN of the first series makes it shorter.
    #expect(corpus.manifest.values?.form == .sequences)
    #expect(try corpus.tensor("starts").numbers == [0, 2, 5])
    try folder.write("b.tsv", "-1\t1\tNaN\t3\n1\t4\t5\t6\n")
    let records = try folder.prepareNumbers(["b.tsv"], .ucr)
    #expect(records.manifest.values?.form == .records && records.manifest.values?.extent == [3])
    #expect(records.manifest.values?.fields == [FieldShape("label", classes: 2, names: ["-1", "1"])])
    #expect(try records.tensor("values").shape == [2, 1, 3])
    #expect(try records.tensor("observed").numbers == [1, 0, 1, 1, 1, 1])
    #expect(try records.tensor("label").numbers == [0, 1])
  }

  @Test func tsOfSeveralChannels() throws {
    let folder = try TemporaryFolder()
    let head = "#a\n@problemName x\n@univariate false\n@classLabel true up down\n@data\n"
    try folder.write("a.ts", head + "1,2:10,20:up\n3,?:30,40:down\n")
    let corpus = try folder.prepareNumbers(["a.ts"])
    // Rows of channels become channels of rows.
    let values = try corpus.tensor("values")
    #expect(values.shape == [2, 2, 2] && values.numbers == [1, 2, 10, 20, 3, 0, 30, 40])
    #expect(try corpus.tensor("observed").numbers == [1, 1, 1, 1, 1, 0, 1, 1])
    #expect(try corpus.tensor("label").numbers == [1, 0])
    try folder.write("b.ts", head + "1,2:10,20:up\n3:30:down\n")
    let unequal = try folder.prepareNumbers(["b.ts"])
    #expect(unequal.manifest.values?.form == .sequences && unequal.manifest.values?.channels == 2)
    #expect(try unequal.tensor("values").numbers == [1, 10, 2, 20, 3, 30])
    try FileManager.default.removeItem(atPath: folder.path + "/corpus")
    for (body, sentence) in [
      ("1,2:3:up\n", "2 numbers in dimension 1 and 1 in dimension 2"), ("1,a:3,4:up\n", "has \"a\" as number 2"),
      ("1:2:left\n", "the class \"left\""),
    ] {
      try folder.write("c.ts", head + body)
      #expect(folder.refusal(["c.ts"])?.contains(sentence) == true, "\(body)")
    }
    try folder.write("d.ts", "@timestamps true\n@data\n")
    #expect(
      folder.refusal(["d.ts"])?.contains("has times") == true
        || folder.refusal(["d.ts"])?.contains("have times") == true)
  }

  @Test func timesBecomeARegularGrid() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "a.csv",
      "id,time,x,y\nb,2020-02-28T23:50:00,1,10\na,2020-01-01 00:00,7,\nb,2020-02-28T23:55:02,2,20\n"
        + "b,2020-02-29T00:10:00,5,50\na,2020-01-01 00:05,8,80\n")
    let corpus = try folder.prepareNumbers(["a.csv"], .series) {
      ($0.reader.time, $0.reader.group) = ("time", "id")
    }
    let records = try #require(corpus.manifest.values)
    #expect(records.form == .sequences && records.channels == 2 && records.hasObserved && records.unit == .steps)
    // Of b: 23:50, 23:55, two rows that are missing, 00:10. The step is 300 s, though 302 s comes as often.
    #expect(try corpus.tensor("starts").numbers == [0, 5, 7])
    #expect(try corpus.tensor("values").numbers == [1, 10, 2, 20, 0, 0, 0, 0, 5, 50, 7, 0, 8, 80])
    #expect(try corpus.tensor("observed").numbers == [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1])
    #expect(records.fields == [FieldShape("group", classes: 2, names: ["a", "b"])])
    #expect(try corpus.tensor("group").numbers == [1, 0])
    #expect(records.mean == [4.6, 40])
  }

  @Test(
    arguments: [
      ("t,x\n2,1\n1,2\n", "line 3: has an earlier time than the row before it, 1"),
      ("t,x\n1,1\n1,2\n", "line 3: has the same time as the row before it, 1"),
      ("t,x\n1,1\n2,abc\n", "line 3: has \"abc\" in column x"), ("t,x\n1,1\nlater,1\n", "\"later\" in column t"),
      ("t,x\n1,1\n2\n", "line 3: has 1 column, and the header 2"), ("s,x\n1,1\n", "has no column t"),
      ("t,x\n1,1\n2,2\n3,3\n9000000,4\n", "line 5: comes 8999997 steps"), ("t,x\n", "no rows below its header"),
      ("t,x\n1,inf\n", "has \"inf\" in column x"),
    ])
  func rowsThatCannotBeSeriesAreRefused(text: String, sentence: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("a.csv", text)
    let found = folder.refusal(["a.csv"], .series) { $0.reader.time = "t" } ?? ""
    #expect(found.contains(sentence), "\(found)")
  }

  @Test func gapsAreSaid() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.csv", "t,x\n0,1\n5,1\n10,1\n30,1\n")
    var options = NumberOptions()
    (options.format, options.split, options.reader.time) = (.series, .tail(fraction: 0.5), "t")
    let outcome = try NumberPreparation(
      inputs: [folder.path + "/a.csv"], target: folder.path + "/corpus", options: options
    ).run()
    #expect(outcome.notes.contains { $0.hasSuffix("a.csv: a row every 5.0 s, gaps of 3 rows") })
    #expect(outcome.manifest.train.tokens == 3 && outcome.manifest.validation.tokens == 4)
  }

  @Test func timesOfAllKinds() {
    let day: Int64 = 86_400_000_000
    #expect(TimeText.microseconds("1970-01-02") == day)
    #expect(TimeText.microseconds("2000-03-01") == 11_017 * day)
    #expect(TimeText.microseconds("1970-01-01 00:00:01.5") == 1_500_000)
    #expect(TimeText.microseconds("1970-01-01T02:00+02:00") == 0)
    #expect(TimeText.microseconds("1970/01/01 00:01") == 60_000_000)
    #expect(TimeText.microseconds("1.5") == 1_500_000)
    for wrong in ["", "1970-13-01", "1970-01-01 25:61", "1970-01-01x", "nan", "yesterday"] {
      #expect(TimeText.microseconds(wrong) == nil, "\(wrong)")
    }
  }
}
