import Core
import Data
import Foundation
@testable import Preparation
import Testing

/// What files of numbers may look like, and what is refused by name.
struct ValuePreparationTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path

  /// A safetensors file: name, dtype, shape and bytes of each tensor.
  private func write(_ tensors: [(String, String, [Int], [UInt8])], to name: String = "a.safetensors") throws -> String
  {
    var (members, bytes) = ([String](), [UInt8]())
    for (name, dtype, shape, data) in tensors {
      members.append(
        "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":[\(bytes.count),\(bytes.count + data.count)]}"
      )
      bytes += data
    }
    let header = Array("{\(members.joined(separator: ","))}".utf8)
    let file = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + bytes
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(file).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    return "\(folder)/\(name)"
  }

  private func floats(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
  }

  private func prepare(_ training: String, force: Bool = false) throws -> CorpusManifest {
    try ValuePreparation(training: training, validation: nil, target: "\(folder)/corpus", unit: .patches, force: force)
      .run()
  }

  @Test func recordsLabelsAndMeansAreRead() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // Two records of two channels with two numbers each; channel 1 is constant.
    let values = floats([1, 3, 7, 7, 5, 7, 7, 7])
    let path = try write([("values", "F32", [2, 2, 2], values), ("label", "U8", [2], [0, 2])])
    let manifest = try prepare(path)
    let records = try #require(manifest.values)
    #expect(records.channels == 2 && records.extent == [2] && !records.hasObserved)
    #expect(records.fields == [FieldShape("label", classes: 3)])
    #expect(records.mean == [4, 7] && records.deviation == [Double(5).squareRoot(), 1])
    #expect(manifest.train.map(\.documents) == [2])
    // Made from the same files it stands; from others it is refused, unless replaced.
    #expect(try prepare(path).recipe == manifest.recipe)
    let other = try write([("values", "F32", [1, 1, 2], floats([1, 2]))], to: "b.safetensors")
    #expect(throws: DataError.self) { try prepare(other) }
    #expect(try prepare(other, force: true).values?.channels == 1)
    let corpus = try Corpus("\(folder)/corpus")
    #expect(try corpus.valueShards(.train, verify: true).map(\.count) == [1])
    #expect(throws: DataError.self) { try corpus.shards(.train) }
  }

  @Test(
    arguments: [
      ([("other", "F32", [1, 1, 1], 4)], "has no tensor values"),
      ([("values", "F32", [1], 4)], "has no tensor values"),
      ([("values", "F32", [0, 1, 1], 0)], "has no tensor values"),
      ([("values", "F32", [1, 1, 1, 1, 1, 1], 4)], "4 axes"),
      ([("values", "F32", [1, 1, 1], 4), ("label", "F32", [2], 8)], "tensor label"),
      ([("values", "F32", [1, 1, 1], 4), ("observed", "U8", [1, 1, 2], 2)], "a tensor observed of shape [1, 1, 2]"),
      ([("values", "F32", [1, 1, 1], 4), ("label", "U8", [1, 1, 1], 1)], "tensor label"),
    ] as [([(String, String, [Int], Int)], String)])
  func whatIsNoRecordIsRefused(tensors: [(String, String, [Int], Int)], sentence: String) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = try write(tensors.map { ($0.0, $0.1, $0.2, [UInt8](repeating: 0, count: $0.3)) })
    let error = #expect(throws: DataError.self) { try prepare(path) }
    #expect(error?.description.contains(sentence) == true, "\(String(describing: error))")
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/corpus"))
  }

  @Test func idsOfAFieldAreThoseOfTheTrainingFile() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func file(_ id: UInt8, _ name: String) throws -> String {
      try write([("values", "F32", [1, 1], floats([1])), ("label", "I8", [1], [id])], to: name)
    }
    let training = try file(1, "a.safetensors")
    for (id, sentence) in [(2, "id 2 in label"), (255, "id -1 in label")] as [(UInt8, String)] {
      let error = #expect(throws: DataError.self) {
        try ValuePreparation(
          training: training, validation: try file(id, "b.safetensors"), target: "\(folder)/corpus", unit: .patches
        ).run()
      }
      #expect(error?.description.contains(sentence) == true)
    }
    #expect(throws: DataError.self) { try prepare(try file(200, "c.safetensors")) }
  }

  @Test func numbersMustBeFiniteWhereTheyWereMeasured() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let values = ("values", "F32", [1, 1, 2], floats([1, .nan]))
    #expect(throws: DataError.self) { try prepare(try write([values])) }
    let records = try #require(try prepare(try write([values, ("observed", "U8", [1, 1, 2], [1, 0])])).values)
    #expect(records.mean == [1] && records.deviation == [1])
  }
}
