import Core
import Data
import Foundation
import Safetensors
import Storage

/// Makes a corpus of numbers out of safetensors files: `values` [records, channels, extent…], optionally `observed` of that shape, and any
/// other tensor [records, …] as a field, of ids where its dtype is of whole numbers.
///
/// The files become the shards as they are; nothing is converted. Means and deviations are those of the training file.
public struct ValuePreparation {
  let training: String
  let validation: String?
  let target: String
  let unit: DataShape.Unit
  let force: Bool

  public init(training: String, validation: String?, target: String, unit: DataShape.Unit, force: Bool = false) {
    (self.training, self.validation, self.target, self.unit, self.force) = (training, validation, target, unit, force)
  }

  /// - Throws: `DataError` and `CheckpointError` that name the file, the tensor and what is wrong with it.
  public func run() throws -> CorpusManifest {
    let output = try OutputFolder(target)
    let records = try records(training)
    let inputs = [(CorpusSplit.train, training)] + (validation.map { [(.validation, $0)] } ?? [])
    var (shards, sources) = ([CorpusSplit: [CorpusManifest.Shard]](), [CorpusManifest.Source]())
    for (split, path) in inputs {
      let shard = try ValueShard(path, records)
      let (file, bytes) = (try MappedFile(path), "\(split.rawValue)-00000.safetensors")
      let digest = file.sha256()
      shards[split] = [.init(file: bytes, documents: shard.count, tokens: shard.count, textBytes: 0, payloadSha256: digest)]
      sources.append(.init(name: URL(fileURLWithPath: path).lastPathComponent, bytes: file.count, sha256: digest))
    }
    let recipe = SHA256.of((["lockstep values \(CorpusManifest.currentVersion)", unit.rawValue] + sources.map { "\($0.sha256) \($0.name)" }).joined(separator: "\n"))
    if output.state == .corpus, !force {
      guard try Corpus(output.path).manifest.recipe == recipe else {
        throw DataError(output.path, "holds a corpus made from other files.", remedy: "Name another folder, or replace it with --force.")
      }
      return try Corpus(output.path).manifest
    }
    let manifest = CorpusManifest(
      recipe: recipe, tokenizerSha256: "", tokenizerConfigSha256: "", vocabulary: Vocabulary(size: 0),
      split: .init(rule: "files", fraction: 0), train: shards[.train] ?? [], validation: shards[.validation] ?? [], sources: sources, values: records)
    let work = try WorkFolder(for: output)
    do {
      try FileManager.default.createDirectory(atPath: work.path, withIntermediateDirectories: true)
      for (split, path) in inputs {
        try FileManager.default.copyItem(atPath: path, toPath: "\(work.path)/\(split.rawValue)-00000.safetensors")
      }
      try AtomicFile.write(try manifest.encoded(), to: work.path + "/" + CorpusManifest.fileName)
      _ = try work.commit()
    } catch {
      work.discard()
      throw error
    }
    return manifest
  }

  /// What the tensors of a file say of its records.
  private func records(_ path: String) throws -> ValueRecords {
    let file = try SafetensorsFile(path)
    guard let values = file[ValueShard.values], values.shape.count >= 2, values.count > 0, file.isNumeric(ValueShard.values) else {
      throw DataError(path, "has no tensor values of shape [records, channels, …] with numbers in it.", remedy: "Save one with safetensors.")
    }
    let shape = Array(values.shape.dropFirst())
    if let problem = GridShape.problem(channels: shape[0], extent: Array(shape.dropFirst()), patch: [Int](repeating: 1, count: shape.count - 1)) {
      throw DataError(path, "has values of shape \(values.shape): \(problem).")
    }
    var fields: [FieldShape] = []
    for tensor in file.tensors where ![ValueShard.values, ValueShard.observed].contains(tensor.name) {
      guard let count = tensor.shape.first, count == values.shape[0], tensor.shape.count <= 3, file.isNumeric(tensor.name) else {
        throw DataError(path, "has a tensor \(tensor.name) of shape \(tensor.shape), and a field needs [\(values.shape[0]), …] with at most two more sizes.")
      }
      let isID = file.isInteger(tensor.name)
      let length = tensor.shape.count > 1 ? tensor.shape[1] : 1
      let classes = isID ? Int((try file.integers(tensor.name, 0..<tensor.count).max() ?? 0) + 1) : 0
      fields.append(FieldShape(tensor.name, length: length, size: tensor.shape.count > 2 ? tensor.shape[2] : 1, classes: classes))
    }
    let (mean, deviation) = try moments(file, values, path)
    return ValueRecords(
      channels: shape[0], extent: Array(shape.dropFirst()), unit: unit, fields: fields.sorted { $0.name < $1.name },
      hasObserved: file[ValueShard.observed] != nil, mean: mean, deviation: deviation)
  }

  /// Mean and standard deviation of each channel over what was measured; a channel without spread has 1.
  private func moments(_ file: SafetensorsFile, _ values: TensorDescription, _ path: String) throws -> ([Double], [Double]) {
    let (count, channels) = (values.shape[0], values.shape[1])
    let perRecord = values.count / count, perChannel = perRecord / channels
    var (sums, squares, counts) = ([Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels))
    var (numbers, measured) = ([Float](repeating: 0, count: perRecord), [Float](repeating: 1, count: perRecord))
    func each(_ body: (Int, Double) -> Void) throws {
      for record in 0..<count {
        let range = record * perRecord..<(record + 1) * perRecord
        try numbers.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { try file.numbers(ValueShard.values, range, into: base) } }
        if file[ValueShard.observed] != nil {
          try measured.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { try file.numbers(ValueShard.observed, range, into: base) } }
        }
        for i in 0..<perRecord where measured[i] != 0 {
          guard numbers[i].isFinite else {
            throw DataError(path, "has the value \(numbers[i]) in record \(record).", remedy: "Numbers must be finite; mark those that are missing in a tensor observed.")
          }
          body(i / perChannel, Double(numbers[i]))
        }
      }
    }
    try each { channel, value in
      sums[channel] += value
      counts[channel] += 1
    }
    let mean = zip(sums, counts).map { $1 > 0 ? $0 / $1 : 0 }
    try each { channel, value in squares[channel] += (value - mean[channel]) * (value - mean[channel]) }
    let deviation = zip(squares, counts).map { sum, n -> Double in
      let value = n > 0 ? (sum / n).squareRoot() : 1
      return value > 0 ? value : 1
    }
    return (mean, deviation)
  }
}
