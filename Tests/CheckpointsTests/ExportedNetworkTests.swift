import CheckpointSupport
@testable import Checkpoints
import Core
import Foundation
@testable import HuggingFace
@testable import Safetensors
import Storage
import Tensors
import Testing

/// A generator beside its discriminator: saved, exported, and read from either.
@Suite struct CompanionTests {
  private let main: ModelConfiguration
  private let exported: ExportedNetwork
  /// The discriminator's parameters, and of the generator those it does not share.
  private let layout: ParameterLayout

  init() throws {
    main = try ModelConfiguration(huggingFace: goldenFolder + "/electra")
    exported = ExportedNetwork(
      "generator", try ModelConfiguration(huggingFace: goldenFolder + "/electra-generator"), "electra-generator")
    var all = CheckpointSupport.layout(for: main)
    for entry in CheckpointSupport.layout(for: exported.configuration).entries
    where !entry.name.hasPrefix("embedding.") || entry.name.hasPrefix("embedding.projection") {
      all.append(ParameterSpec("generator." + entry.name, entry.spec.shape, decay: false, .zeros))
    }
    layout = all
  }

  /// A committed checkpoint with the weights of both recorded models.
  private func checkpoint(in scratch: Scratch) throws -> (Checkpoint, ParameterStore) {
    let parameters = ParameterStore(layout)
    _ = try HuggingFaceSource(goldenFolder + "/electra").load(into: parameters, as: main)
    let report = try HuggingFaceSource(goldenFolder + "/electra-generator")
      .load(into: parameters, as: exported.configuration, prefix: "generator.")
    #expect(report == ImportReport())
    var files = ExportedNetworkFiles.configurations([exported], vocabulary: Vocabulary(size: 19))
    files["config.json"] = HuggingFaceConfiguration.json(for: main, vocabulary: Vocabulary(size: 19))
    files["tokenizer.json"] = Array("{}\n".utf8)
    let run = RunFolder(scratch.path + "/run")
    try run.prepare()
    try run.commit(
      CheckpointContents(
        model: main, parameters: parameters, moments: ["m": store(layout, seed: 1)], files: files,
        state: trainingState(step: 1)))
    return (try run.checkpoint(step: 1), parameters)
  }

  /// A teacher's weights are read from a checkpoint bit by bit, and missing in an export.
  @Test func auxiliaryNetworks() throws {
    let scratch = try Scratch()
    var small = ParameterLayout()
    small.append(ParameterSpec("a", [2, 3], decay: false, .zeros))
    let (parameters, teacher) = (store(layout, seed: 2), store(small, seed: 3))
    let run = RunFolder(scratch.path + "/run")
    try run.prepare()
    try run.commit(
      CheckpointContents(
        model: main, parameters: parameters, moments: [:], auxiliary: ["teacher": teacher],
        files: ["config.json": HuggingFaceConfiguration.json(for: main, vocabulary: Vocabulary(size: 19))],
        state: trainingState(step: 1)))
    let source = try HuggingFaceSource(try run.checkpoint(step: 1).path)
    let read = ParameterStore(small)
    #expect(try source.loadAuxiliary("teacher", into: read) == [])
    #expect(read.all.array == teacher.all.array)
    #expect(try source.loadAuxiliary("other", into: read) == ["other.a"])
    let export = try HuggingFaceSource(goldenFolder + "/electra")
    #expect(try export.loadAuxiliary("teacher", into: read) == ["teacher.a"])
    var other = ParameterLayout()
    other.append(ParameterSpec("a", [3, 3], decay: false, .zeros))
    #expect(throws: CheckpointError.self) { try source.loadAuxiliary("teacher", into: ParameterStore(other)) }
  }

  @Test func anExportHoldsBothNetworks() throws {
    let scratch = try Scratch()
    let (checkpoint, parameters) = try checkpoint(in: scratch)
    let target = scratch.path + "/export"
    try CheckpointExport.export(checkpoint, to: target)
    #expect(try Folders.names(in: target) == ["config.json", "generator", "model.safetensors", "tokenizer.json"])
    #expect(try Folders.names(in: target + "/generator") == ["config.json", "model.safetensors", "tokenizer.json"])
    #expect(try ModelConfiguration(huggingFace: target + "/generator") == exported.configuration)
    let (file, recorded) = (
      try SafetensorsFile(target + "/generator/model.safetensors"),
      try SafetensorsFile(goldenFolder + "/electra-generator/model.safetensors")
    )
    #expect(Set(file.tensors.map(\.name)) == Set(recorded.tensors.map(\.name)))
    let discriminator = try SafetensorsFile(target + "/model.safetensors")
    for tensor in recorded.tensors {
      #expect(file[tensor.name]?.shape == tensor.shape, "\(tensor.name)")
      // Embeddings are the discriminator's.
      let source = tensor.name.contains("embeddings.") ? discriminator : recorded
      #expect(try file.floats(tensor.name) == source.floats(tensor.name), "\(tensor.name)")
    }
    for folder in [target, checkpoint.path] {
      let restored = ParameterStore(layout)
      let source = try HuggingFaceSource(folder)
      _ = try source.load(into: restored, as: main)
      #expect(try source.loadRest(into: restored, as: main, exportedNetworks: [exported]) == [])
      #expect(values(restored) == values(parameters))
    }
  }

  @Test func whatIsNotThereIsNamed() throws {
    let scratch = try Scratch()
    let (checkpoint, _) = try checkpoint(in: scratch)
    let own = layout.entries.map(\.name).filter { $0.hasPrefix("generator.") }
    let alone = try HuggingFaceSource(goldenFolder + "/electra")
    #expect(try alone.loadRest(into: ParameterStore(layout), as: main, exportedNetworks: [exported]) == own)
    var wider = ParameterLayout()
    for entry in layout.entries {
      let shape = entry.name == "generator.head.bias" ? [20] : entry.spec.shape
      wider.append(ParameterSpec(entry.name, shape, decay: false, .zeros))
    }
    let source = try HuggingFaceSource(checkpoint.path)
    #expect(
      sentence { _ = try source.loadRest(into: ParameterStore(wider), as: main, exportedNetworks: [exported]) }
        == "cannot import \(checkpoint.path)/optimizer.safetensors: tensor p.generator.head.bias has the shape [19], and the objective's options make it [20]. Set [objective] to what the run was trained with."
    )
  }

  /// The class that `config.json` names decides the names of tensors where two classes compute a shape: here BERT's
  /// would do as well.
  @Test func aGeneratorAsWideAsItsEmbedding() throws {
    let source = try HuggingFaceSource(goldenFolder + "/electra-generator-untied")
    #expect(
      source.configuration.huggingFaceFamily?.name == "bert"
        && source.configuration.isComputed(by: ElectraGeneratorFamily.self))
    let parameters = ParameterStore(CheckpointSupport.layout(for: source.configuration))
    parameters.all.fill(.nan)
    #expect(try source.load(into: parameters, as: source.configuration) == ImportReport())
    for entry in parameters.layout.entries {
      #expect(!parameters.view(entry.index).array.contains { $0.isNaN }, "\(entry.name)")
    }
    let written = HuggingFaceConfiguration.json(
      for: source.configuration, vocabulary: nil, as: ElectraGeneratorFamily.self)
    #expect(try ModelConfiguration(huggingFaceJSON: written, path: "config.json") == source.configuration)
  }

  @Test func aDiscriminatorIsNoMaskedModel() throws {
    let source = try HuggingFaceSource(goldenFolder + "/electra")
    var target = main
    target.head = .vocabulary
    #expect(
      sentence { _ = try source.load(into: ParameterStore(CheckpointSupport.layout(for: target)), as: target) }
        .contains("it does not fit the configuration: head (replaced against vocabulary)"))
  }
}
