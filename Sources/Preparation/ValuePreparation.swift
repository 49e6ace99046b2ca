import Core
import Data
import Foundation
import Storage

/// Makes a corpus of numbers out of safetensors files (`ValueFile`).
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
    let records = try ValueFile(training).records(unit)
    if let validation { try ValueFile(validation).check(against: records) }
    let inputs = [(CorpusSplit.train, training)] + (validation.map { [(.validation, $0)] } ?? [])
    var (shards, sources) = ([CorpusSplit: [CorpusManifest.Shard]](), [CorpusManifest.Source]())
    for (split, path) in inputs {
      let shard = try ValueShard(path, records)
      let (file, bytes) = (try MappedFile(path), "\(split.rawValue)-00000.safetensors")
      let digest = file.sha256()
      shards[split] = [
        .init(file: bytes, documents: shard.count, tokens: shard.count, textBytes: 0, payloadSha256: digest)
      ]
      sources.append(.init(name: URL(fileURLWithPath: path).lastPathComponent, bytes: file.count, sha256: digest))
    }
    let recipe = SHA256.of(
      (["lockstep values \(CorpusManifest.currentVersion)", unit.rawValue] + sources.map { "\($0.sha256) \($0.name)" })
        .joined(separator: "\n"))
    if output.state == .corpus, !force {
      guard try Corpus(output.path).manifest.recipe == recipe else {
        throw DataError(
          output.path, "holds a corpus made from other files.",
          remedy: "Name another folder, or replace it with --force.")
      }
      return try Corpus(output.path).manifest
    }
    let manifest = CorpusManifest(
      recipe: recipe, tokenizerSha256: "", tokenizerConfigSha256: "", vocabulary: Vocabulary(size: 0),
      split: .init(rule: "files", fraction: 0), train: shards[.train] ?? [], validation: shards[.validation] ?? [],
      sources: sources, values: records)
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
}
