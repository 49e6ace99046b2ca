import Core
import Data
import DataSupport
import Foundation
@testable import Preparation
import Storage
import Testing

/// IDX, CIFAR and NumPy: numbers by hand, and what is refused.
@Suite struct ArrayReaderTests {
  typealias F = NumberFixtures

  @Test func idxOfImagesAndLabels() throws {
    let folder = try TemporaryFolder()
    try folder.write("a-idx3-ubyte.gz", Gzip.deflate(F.idx([2, 2, 3], Array(1...12))))
    try folder.write("b-idx1-ubyte", F.idx([2], [4, 0]))
    let corpus = try folder.prepareNumbers(["a-idx3-ubyte.gz"]) { $0.labels = [folder.path + "/b-idx1-ubyte"] }
    let records = try #require(corpus.manifest.values)
    #expect(records.form == .records && records.channels == 1 && records.extent == [2, 3] && records.unit == .patches)
    #expect(records.fields == [FieldShape("label", classes: 5)])
    #expect(records.mean == [6.5])
    let values = try corpus.tensor("values")
    #expect(values.shape == [2, 1, 2, 3] && values.dtype == "U8" && values.numbers == (1...12).map { Float($0) })
    #expect(try corpus.tensor("label").numbers == [4, 0])
    let dataset = try ValueDataset(corpus, split: .train, shape: try records.shape(patch: [1, 3]), order: .sequential)
    let batch = try dataset.samples(at: 0..<2)
    #expect(batch.length == 2 && batch.valueSize == 3 && batch.observed.isEmpty)
    let expected: Double = -5.5 / records.deviation[0]
    #expect(abs(Double(batch.values[0]) - expected) < 1e-5)
    #expect(batch.field("label")?.ids == [4, 0])
  }

  @Test func idxOfOtherTypes() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.idx", F.idx([1, 2], [0xFF, 0xFE, 0x01, 0x02], type: 0x0B))
    var values = try folder.prepareNumbers(["a.idx"]).tensor("values")
    #expect(values.dtype == "I16" && values.numbers == [-2, 258])
    try folder.write("b.idx", F.idx([1, 1], [0x3F, 0x80, 0, 0], type: 0x0D))
    values = try folder.prepareNumbers(["b.idx"]).tensor("values")
    #expect(values.dtype == "F32" && values.numbers == [1])
  }

  @Test func brokenIDXIsRefusedByName() throws {
    let folder = try TemporaryFolder()
    func sentence(_ bytes: [UInt8], labels: [UInt8]? = nil) throws -> String {
      try folder.write("a.idx.gz", bytes)
      if let labels { try folder.write("l.idx", labels) }
      return folder.refusal(["a.idx.gz"]) { if labels != nil { $0.labels = [folder.path + "/l.idx"] } } ?? ""
    }
    #expect(try sentence([1, 2, 3, 4, 5]).contains("is no IDX file: it begins with the bytes 1 2 3 4"))
    #expect(try sentence(F.idx([2, 2], [1, 2, 3])).contains("more than its 15 bytes can"))
    #expect(try sentence(Gzip.deflate(F.idx([2, 2], [1, 2, 3]))).contains("in record 2 of 2"))
    #expect(try sentence(F.idx([1, 2], [1, 2, 3])).contains("goes on after its 1 records"))
    #expect(try sentence(F.idx([0, 2], [])).contains("no records"))
    // A small file that claims a terabyte is refused before anything is allocated.
    #expect(try sentence(Gzip.deflate(F.idx([1, 1_000_000, 1_000_000], [1]))).contains("1000000"))
    let wrong = try sentence(F.idx([2, 1], [1, 2]), labels: F.idx([3], [0, 1, 2]))
    #expect(wrong.contains("has 3 labels, which is not the number of records"))
    #expect(try sentence(F.idx([2, 1], [1, 2]), labels: F.idx([1], [0])).contains("has 1 label"))
    #expect(try sentence(F.idx([1, 1], [1]), labels: F.idx([1, 2], [0, 1])).contains("labels have one axis"))
  }

  @Test func cifarHasItsLabels() throws {
    let folder = try TemporaryFolder()
    var image = [UInt8](repeating: 7, count: 3072)
    image[1024] = 9
    try folder.write("a.bin", [3] + image + [9] + image)
    let corpus = try folder.prepareNumbers(["a.bin"], .cifar10)
    #expect(corpus.manifest.values?.fields.first?.names.count == 10)
    #expect(corpus.manifest.values?.fields.first?.names[3] == "cat")
    #expect(try corpus.tensor("label").numbers == [3, 9])
    let values = try corpus.tensor("values")
    #expect(values.shape == [2, 3, 32, 32] && values.numbers[1024] == 9 && values.numbers[0] == 7)
    try folder.write("b.bin", [19, 99] + image)
    let fine = try folder.prepareNumbers(["b.bin"], .cifar100)
    #expect(try fine.tensor("coarse_label").numbers == [19] && fine.tensor("label").numbers == [99])
    try folder.write("c.bin", [10] + image)
    try? FileManager.default.removeItem(atPath: folder.path + "/corpus")
    #expect(folder.refusal(["c.bin"], .cifar10)?.contains("has the label 10, and there are 10 classes") == true)
    try folder.write("c.bin", [1] + image + [1])
    #expect(folder.refusal(["c.bin"], .cifar10)?.contains("record 2: has 1 of 3073 bytes") == true)
  }

  @Test func numPyArraysByTheAxisOfTheirChannels() throws {
    let folder = try TemporaryFolder()
    func header(_ descr: String, _ shape: String, order: String = "False") -> String {
      "{'descr': '\(descr)', 'fortran_order': \(order), 'shape': (\(shape)), }"
    }
    try folder.write("a.npy", F.npy(header("|u1", "1, 2, 3"), Array(1...6)))
    func values(_ axis: NumberReaderOptions.ChannelAxis) throws -> (shape: [Int], dtype: String, numbers: [Float]) {
      try folder.prepareNumbers(["a.npy"]) { $0.reader.channelAxis = axis }.tensor("values")
    }
    #expect(try values(.first).shape == [1, 2, 3])
    #expect(try values(.none).shape == [1, 1, 2, 3])
    let last = try values(.last)
    #expect(last.shape == [1, 3, 2] && last.numbers == [1, 4, 2, 5, 3, 6])
    try folder.write("b.npy", F.npy(header("<f4", "2, 2"), F.bytes([1, .nan, 3, 4])))
    let series = try folder.prepareNumbers(["b.npy"])
    #expect(try series.tensor("values").shape == [2, 1, 2])
    #expect(try series.tensor("observed").numbers == [1, 0, 1, 1])
    try folder.write("c.npy", F.npy(header("<f2", "1, 2"), [0x00, 0x3C, 0x00, 0xC1]))
    #expect(try folder.prepareNumbers(["c.npy"]).tensor("values").numbers == [1, -2.5])
    try folder.write("d.npy", F.npy(header(">i2", "1, 1"), [0x01, 0x02]))
    #expect(try folder.prepareNumbers(["d.npy"]).tensor("values").numbers == [258])
    try FileManager.default.removeItem(atPath: folder.path + "/corpus")
    for (text, sentence) in [
      (header("<f4", "2, 2", order: "True"), "Fortran order"), (header("|O", "1"), "holds no plain numbers"),
      (header("<f8", "99999999, 99999999"), "more than its"), (header("<f4", ""), "has the shape"),
    ] {
      try folder.write("e.npy", F.npy(text, F.bytes([1, 2, 3, 4])))
      #expect(folder.refusal(["e.npy"])?.contains(sentence) == true, "\(text)")
    }
    try folder.write("f.npy", F.npy(header("<f4", "1, 1"), F.bytes([.infinity])))
    #expect(folder.refusal(["f.npy"])?.contains("has the value inf") == true)
  }
}
