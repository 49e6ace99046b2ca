import Core
import Data
import DataSupport
import Foundation
@testable import Preparation
import Testing

/// Sound and WFDB.
@Suite struct RecordingReaderTests {
  typealias F = NumberFixtures

  @Test func soundIsSamplesWithTheLabelOfItsName() throws {
    let folder = try TemporaryFolder()
    try folder.write("in/3_ann_0.wav", F.wav([1, -2, 300]))
    try folder.write("in/7_bob_0.wav", F.wav([5]))
    let corpus = try folder.prepareNumbers(["in"]) {
      $0.reader.labelFrom = try NameRule("^([0-9])_", option: "--label-from")
      $0.reader.groupFrom = try NameRule("_([a-z]+)_", option: "--group-from")
    }
    let values = try corpus.tensor("values")
    #expect(values.shape == [4, 1] && values.dtype == "I16" && values.numbers == [1, -2, 300, 5])
    #expect(try corpus.tensor("starts").numbers == [0, 3, 4])
    #expect(corpus.manifest.values?.fields.map(\.names) == [["ann", "bob"], ["3", "7"]])
    #expect(throws: ConfigurationError.self) { try NameRule("a(b", option: "--label-from") }
    #expect(throws: ConfigurationError.self) { try NameRule("abc", option: "--label-from") }
  }

  @Test func melFramesAgreeWithADirectTransform() throws {
    // 1 kHz at 8 kHz: frames of 200 samples every 80, filled to 256.
    let samples: [Float] = (0..<400).map { (i: Int) -> Float in Float(sin(Double.pi * Double(i) / 4)) }
    let spectrogram = try MelSpectrogram(.init(bands: 10), rate: 8000, place: "a")
    let frames = spectrogram.frames(of: samples)
    #expect(frames.count == 30)
    var power: [Double] = []
    for k in 0...128 {
      let angle: Double = 2 * Double.pi * Double(k) / 256
      var (re, im) = (0.0, 0.0)
      for i in 0..<200 {
        let window: Double = 0.5 - 0.5 * cos(Double.pi * Double(i) / 100)
        let x: Double = Double(samples[80 + i]) * window
        re += x * cos(angle * Double(i))
        im += x * sin(angle * Double(i))
      }
      power.append(re * re + im * im)
    }
    let top: Double = log10(1 + 4000.0 / 700)
    func corner(_ i: Int) -> Double {
      let exponent: Double = top * Double(i) / 11
      return 700 * (pow(10, exponent) - 1)
    }
    for band in 0..<10 {
      var sum = 0.0
      for k in 0...128 {
        let f: Double = Double(k) * 8000 / 256
        let rising: Double = (f - corner(band)) / (corner(band + 1) - corner(band))
        let falling: Double = (corner(band + 2) - f) / (corner(band + 2) - corner(band + 1))
        let weight: Double = max(0, min(rising, falling))
        sum += weight * power[k]
      }
      let difference: Double = abs(Double(frames[10 + band]) - log(max(sum, 1e-10)))
      #expect(difference < 0.02, "band \(band)")
    }
    // Shorter than a frame: one frame. Logarithms are those of the library.
    #expect(spectrogram.frames(of: [0.5]).count == 10)
    for x in [1e-10, 0.3, 1, 2, 12_345.678] as [Double] {
      let difference: Double = abs(MelSpectrogram.logarithm(x) - log(x))
      #expect(difference < 1e-12)
    }
  }

  /// FLAC of the samples k² - 100, k = 0 … 31, as libsndfile writes it.
  @Test func flacIsRead() throws {
    let folder = try TemporaryFolder()
    let text = """
      ZkxhQwAAACIQABAAAAAVAAAVAfQA8AAAACCkVf7N80HA/9aHVXAS60MFhAAAKCAAAAByZWZlcmVuY2Ug\
      bGliRkxBQyAxLjQuMiAyMDIyMTAyMgAAAAD/+GQIAB++Fv+c/53/oAA////+TRY=
      """
    let file = Foundation.Data(base64Encoded: text)
    try folder.write("a.flac", Array(try #require(file)))
    let values = try folder.prepareNumbers(["a.flac"]).tensor("values")
    #expect(values.dtype == "I16" && values.numbers == (0..<32).map { Float($0 * $0 - 100) })
  }

  @Test func soundThatCannotBeUsedIsRefused() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.wav", F.wav([]))
    #expect(folder.refusal(["a.wav"])?.contains("has no samples") == true)
    try folder.write("b.wav", Array("RIFF".utf8) + [1, 2, 3])
    #expect(folder.refusal(["b.wav"])?.contains("is no sound that can be read") == true)
    try folder.write("in/1.wav", F.wav([1, 2]))
    try folder.write("in/2.wav", F.wav([1, 2], rate: 16_000))
    #expect(folder.refusal(["in"])?.contains("has 16000 samples per second, and") == true)
    let narrow = folder.refusal(["in/1.wav"]) { $0.reader.mel = .init(bands: 500) }
    #expect(narrow?.contains("is narrower than") == true)
    let named = folder.refusal(["in/1.wav"]) { $0.reader.labelFrom = try NameRule("^([a-z])", option: "--label-from") }
    #expect(named?.contains("has a name that ^([a-z]) does not match") == true)
  }

  /// Two signals of format 212 with a missing sample, and two annotations.
  @Test func wfdbOfFormat212() throws {
    let folder = try TemporaryFolder()
    // Samples (1, -1), (-2048, 5), (2, 3): sums -2045 and 7.
    let header = "r 2 360 3\nr.dat 212 100(1)/mV 12 0 1 -2045 0 I\nr.dat 212 0 12 0 -1 7 0 II\n# comment\n"
    try folder.write("r.hea", header)
    try folder.write("r.dat", [0x01, 0xF0, 0xFF, 0x00, 0x08, 0x05, 0x02, 0x00, 0x03] as [UInt8])
    // N at sample 0, a text of one byte, V at sample 2.
    try folder.write("r.atr", [0x00, 0x04, 0x01, 0xFC, 0x41, 0x00, 0x02, 0x14, 0, 0] as [UInt8])
    let corpus = try folder.prepareNumbers(["r.hea"])
    let values = try corpus.tensor("values")
    #expect(values.shape == [3, 2] && values.numbers == [0, -0.005, 0, 0.025, 0.01, 0.015])
    #expect(try corpus.tensor("observed").numbers == [1, 1, 0, 1, 1, 1])
    #expect(corpus.manifest.values?.rowFields == [FieldShape("annotation", classes: 3, names: ["none", "N", "V"])])
    #expect(try corpus.tensor("annotation").numbers == [1, 0, 2])
    #expect(corpus.manifest.sources.map(\.name) == ["r.hea", "r.dat", "r.atr"])
    let shape = try #require(corpus.manifest.values).shape(patch: [2], window: 4)
    let batch = try ValueDataset(corpus, split: .train, shape: shape, order: .sequential).samples(at: 0..<1)
    #expect(batch.field("annotation")?.ids == [1, 0, 2, -1] && batch.documentIDs == [0, 0])
    try FileManager.default.removeItem(atPath: folder.path + "/corpus")
    func sentence(_ header: String) throws -> String {
      try folder.write("r.hea", header)
      return folder.refusal(["r.hea"]) ?? ""
    }
    #expect(try sentence(header.replacing("-2045", with: "-2044")).contains("has the checksum -2045 in signal 1"))
    #expect(try sentence(header.replacing("360 3", with: "360 0")).contains("no samples"))
    #expect(try sentence(header.replacing("360 3", with: "360 9999999")).contains("has 9 bytes, and 9999999 samples"))
    #expect(try sentence(header.replacing("212", with: "310")).contains("has the format 310; 16 and 212 are read"))
    #expect(try sentence(header.replacing("r.dat", with: "../r.dat")).contains("without a file beside it"))
    try folder.write("r.atr", [0x05, 0x04, 0, 0] as [UInt8])
    #expect(try sentence(header).contains("has an annotation at sample 5"))
  }
}
