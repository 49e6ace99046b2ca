import Core
import Data
import Foundation
import Preparation

/// A small corpus of numbers in a folder of its own, made by the code of `prepare`.
public struct ValueCorpus {
  public let folder: TemporaryFolder
  public let corpus: Corpus

  /// - Parameters:
  ///   - shape: channels and sizes of the axes of a record.
  ///   - train: numbers of all training records, and their labels.
  ///   - validation: the same of the validation records.
  public init(
    _ shape: [Int], train: ([Float], [UInt8]), validation: ([Float], [UInt8]), unit: DataShape.Unit = .patches
  ) throws {
    folder = try TemporaryFolder()
    for (name, (values, labels)) in [("train", train), ("validation", validation)] {
      try folder.write("\(name).safetensors", Self.file(shape, values, labels))
    }
    _ = try ValuePreparation(
      training: folder.path + "/train.safetensors", validation: folder.path + "/validation.safetensors",
      target: folder.path + "/corpus", unit: unit
    ).run()
    corpus = try Corpus(folder.path + "/corpus")
  }

  /// A safetensors file of `values` (F32) and `label` (U8).
  private static func file(_ shape: [Int], _ values: [Float], _ labels: [UInt8]) -> [UInt8] {
    let bytes = values.count * 4
    let header = """
      {"values":{"dtype":"F32","shape":\([labels.count] + shape),"data_offsets":[0,\(bytes)]},\
      "label":{"dtype":"U8","shape":[\(labels.count)],"data_offsets":[\(bytes),\(bytes + labels.count)]}}
      """
    let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    var file = withUnsafeBytes(of: UInt64(padded.utf8.count).littleEndian) { Array($0) }
    file += Array(padded.utf8)
    for value in values { file += withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
    return file + labels
  }
}
