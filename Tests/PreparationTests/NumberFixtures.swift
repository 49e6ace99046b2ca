import Core
import Data
import DataSupport
import Foundation
@testable import Preparation
import Safetensors
import Storage
import Testing

/// Bytes of small files by hand, and corpora made of them.
enum NumberFixtures {
  /// IDX of bytes: sizes and elements.
  static func idx(_ sizes: [Int], _ elements: [UInt8], type: UInt8 = 0x08) -> [UInt8] {
    var file: [UInt8] = [0, 0, type, UInt8(sizes.count)]
    for size in sizes { file += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: size >> $0) } }
    return file + elements
  }

  /// `.npy` of version 1.0 with a header as it stands.
  static func npy(_ header: String, _ elements: [UInt8]) -> [UInt8] {
    let text = Array(header.utf8) + [10]
    var file: [UInt8] = [0x93] + Array("NUMPY".utf8)
    file += [1, 0, UInt8(text.count & 255), UInt8(text.count >> 8)]
    return file + text + elements
  }

  static func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
  }

  /// RIFF WAVE with PCM of 16 bits.
  static func wav(_ samples: [Int16], rate: UInt32 = 8000, channels: UInt16 = 1) -> [UInt8] {
    func little<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    var data: [UInt8] = []
    for sample in samples { data += little(sample) }
    var file = Array("RIFF".utf8) + little(UInt32(36 + data.count))
    file += Array("WAVEfmt ".utf8) + little(UInt32(16))
    file += little(UInt16(1)) + little(channels) + little(rate) + little(rate * 2 * UInt32(channels))
    file += little(2 * channels) + little(UInt16(16))
    return file + Array("data".utf8) + little(UInt32(data.count)) + data
  }
}

extension TemporaryFolder {
  /// Makes a corpus `corpus` of inputs of this folder.
  @discardableResult
  func prepareNumbers(
    _ inputs: [String], _ format: NumberFormat? = nil, _ change: (inout NumberOptions) throws -> Void = { _ in }
  )
    throws -> Corpus
  {
    var options = NumberOptions()
    options.format = format
    options.split = .byContent(fraction: 0)
    options.force = true
    try change(&options)
    _ = try NumberPreparation(
      inputs: inputs.map { path + "/" + $0 }, target: path + "/corpus", options: options
    ).run()
    return try Corpus(path + "/corpus")
  }

  /// The sentence with which a preparation is refused, with exit code 3; nil where it succeeds.
  func refusal(
    _ inputs: [String], _ format: NumberFormat? = nil, _ change: (inout NumberOptions) throws -> Void = { _ in }
  )
    -> String?
  {
    do {
      try prepareNumbers(inputs, format, change)
      return nil
    } catch let error as any LockstepError {
      #expect(error.exitCode == .data, "\(error)")
      #expect(!exists(path + "/corpus"), "a corpus was left behind")
      #expect(
        (try? Folder.names(SystemPath(path)))?.contains { readableName($0).contains("lockstep-prepare") } == false)
      return error.description
    } catch {
      return "\(error)"
    }
  }

  private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}

extension Corpus {
  /// A tensor of the first shard of a split, as it is stored.
  func tensor(_ name: String, _ split: CorpusSplit = .train) throws -> (shape: [Int], dtype: String, numbers: [Float]) {
    let file = try SafetensorsFile("\(folder)/\(split.rawValue)-00000.safetensors")
    let tensor = try #require(file[name])
    var numbers = [Float](repeating: 0, count: tensor.count)
    try numbers.withUnsafeMutableBufferPointer {
      if let base = $0.baseAddress { try file.numbers(name, 0..<tensor.count, into: base) }
    }
    return (tensor.shape, tensor.format, numbers)
  }

  /// All files of the corpus by name.
  func contents() throws -> [String: [UInt8]] {
    var result: [String: [UInt8]] = [:]
    for name in try Folder.names(SystemPath(folder)) {
      result[readableName(name)] = try MappedFile(folder + "/" + readableName(name)).withBytes { Array($0) }
    }
    return result
  }
}
