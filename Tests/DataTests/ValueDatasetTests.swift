import Core
import Data
import DataSupport
import Foundation
import Preparation
import Testing

/// Records of numbers as samples, against numbers that are normalised by hand.
@Suite struct ValueDatasetTests {
  /// A safetensors file of `values` (F32) and `observed` (U8) of one shape.
  private func file(_ shape: [Int], values: [Float], observed: [UInt8]) -> [UInt8] {
    let (sizes, bytes) = ("\(shape)", values.count * 4)
    let header = """
      {"values":{"dtype":"F32","shape":\(sizes),"data_offsets":[0,\(bytes)]},\
      "observed":{"dtype":"U8","shape":\(sizes),"data_offsets":[\(bytes),\(bytes + observed.count)]}}
      """
    let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    var file = withUnsafeBytes(of: UInt64(padded.utf8.count).littleEndian) { Array($0) }
    file += Array(padded.utf8)
    for value in values { file += withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
    return file + observed
  }

  /// Two records of two channels of 2 × 4; one number of channel 1 was not measured, and would move its mean far away.
  @Test func samplesAreNormalisedByChannel() throws {
    let folder = try TemporaryFolder()
    func channel(_ place: Int) -> Int { place / 8 % 2 }
    var values: [Float] = (0..<32).map { (place: Int) -> Float in Float(place * place % 11 + 100 * channel(place)) }
    values[12] = 1e6
    var observed = [UInt8](repeating: 1, count: 32)
    observed[12] = 0
    try folder.write("values.safetensors", file([2, 2, 2, 4], values: values, observed: observed))
    _ = try ValuePreparation(
      training: folder.path + "/values.safetensors", validation: nil, target: folder.path + "/corpus", unit: .patches
    ).run()
    let corpus = try Corpus(folder.path + "/corpus")
    let records = try #require(corpus.manifest.values)
    let dataset = try ValueDataset(corpus, split: .train, shape: try records.shape(patch: [2, 2]), order: .sequential)
    #expect(dataset.samplesPerEpoch == 2)
    let batch = try dataset.samples(at: 0..<2)
    #expect(batch.length == 2 && batch.valueSize == 8 && batch.values.count == 32)

    var (mean, deviation) = ([0.0, 0.0], [0.0, 0.0])
    for c in 0..<2 {
      let measured: [Double] = (0..<32).filter { channel($0) == c && observed[$0] == 1 }.map { Double(values[$0]) }
      mean[c] = measured.reduce(0, +) / Double(measured.count)
      for number in measured { deviation[c] += (number - mean[c]) * (number - mean[c]) / Double(measured.count) }
      deviation[c] = deviation[c].squareRoot()
    }
    for sample in 0..<2 {
      for position in 0..<2 {
        for k in 0..<8 {
          // Number k: channel, row, column of a patch of 2 × 2.
          let (c, row, column) = (k / 4, k % 4 / 2, k % 2)
          let place: Int = sample * 16 + c * 8 + row * 4 + position * 2 + column
          let index: Int = sample * 16 + position * 8 + k
          let isMeasured = observed[place] == 1
          let expected: Double = isMeasured ? (Double(values[place]) - mean[c]) / deviation[c] : 0
          let difference: Double = abs(Double(batch.values[index]) - expected)
          #expect(difference < 1e-5, "sample \(sample), position \(position), number \(k)")
          #expect(batch.observed[index] == isMeasured)
        }
      }
    }
  }
}
