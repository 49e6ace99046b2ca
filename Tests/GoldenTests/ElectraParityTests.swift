import Core
import Foundation
@testable import HuggingFace
import Kernels
import Layers
import Models
@testable import Objectives
@testable import Safetensors
import Storage
import Tensors
import Testing

/// ELECTRA's two networks against the classes of `transformers`: the same weights, the same masks, the same proposed
/// tokens.
@Suite struct ElectraParityTests {
  /// What `scripts/goldens/electra.py` recorded.
  private struct Record: Decodable {
    var samples: Int
    var length: Int
    var original: [Int32]
    var real: [Int32]
    var drawn: [Int32]
    var masked: [Int32]
    var proposed: [Int32]
    var discriminatorWeight: Double
    var generatorLoss: Double
    var discriminatorLoss: Double
  }

  private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .appendingPathComponent("goldens/electra").path

  @Test func lossesAndGradients() throws {
    BLAS.useOneThread()
    let record = try JSONDecoder.snakeCase().decode(
      Record.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/golden.json")))
    let (discriminator, generator) = (
      try HuggingFaceSource(folder + "/discriminator"), try HuggingFaceSource(folder + "/generator")
    )
    let small = generator.configuration
    var options = Electra.Options()
    (options.generatorHiddenSize, options.generatorNumHeads, options.generatorIntermediateSize) = (
      small.hiddenSize, small.numHeads, small.intermediateSize
    )
    let objective = try Electra(
      options, model: discriminator.configuration,
      vocabulary: Vocabulary(size: 41, pad: 0, mask: 4, special: [0, 1, 2, 3, 4]))
    #expect(objective.exported == discriminator.configuration)
    #expect(objective.exportedNetworks == [ExportedNetwork("generator", small, "electra-generator")])
    let parameters = ParameterSet(objective.networks)
    parameters.trained.all.fill(.nan)
    #expect(try discriminator.load(into: parameters.trained, as: objective.exported) == ImportReport())
    let missing = try HuggingFaceSource(folder + "/discriminator").loadRest(
      into: parameters.trained, as: objective.exported, exportedNetworks: objective.exportedNetworks)
    #expect(missing.allSatisfy { $0.hasPrefix("generator.") } && !missing.isEmpty)
    _ = try generator.load(into: parameters.trained, as: small, prefix: "generator.")
    for entry in parameters.trained.layout.entries {
      #expect(!parameters.trained.view(entry.index).array.contains { $0.isNaN }, "\(entry.name)")
    }

    let gradients = GradientRecorder(objective.networks.trained)
    let (example, proposed) = example(record)
    let (arena, workspace) = Arena.sized { objective.workspace(samples: record.samples, length: record.length, $0) }
    arena.fill(.nan)
    let scales = [Float(1 / example.counts[0]), Float(record.discriminatorWeight / example.counts[1])]
    let sums = objective.lossAndGradient(
      example, ObjectivePass(parameters, sink: gradients, dropout: nil), scales: scales, workspace, proposed: proposed)
    #expect(abs(sums[0] / example.counts[0] / record.generatorLoss - 1) <= 1e-5)
    #expect(abs(sums[1] / example.counts[1] / record.discriminatorLoss - 1) <= 1e-5)
    try compare(gradients, objective, try SafetensorsFile(folder + "/expected.safetensors"))
  }

  private func example(_ record: Record) -> (TrainingExample, proposed: [Int32]) {
    let input = SequenceInput(
      sampleIDs: (0..<record.samples).map { UInt64($0) }, length: record.length, tokens: record.masked,
      ranges: AttentionRanges(
        samples: record.samples, length: record.length, documentIDs: record.real.map { $0 - 1 }, causal: false,
        documentMasking: false))
    func rows(_ flags: [Int32]) -> [Int] { flags.indices.filter { flags[$0] == 1 } }
    func target(_ rows: [Int]) -> TermTargets { TermTargets(rows: rows, ids: rows.map { record.original[$0] }) }
    return (
      TrainingExample(
        inputs: [input], targets: [target(rows(record.drawn)), target(rows(record.real))],
        random: CounterGenerator(seed: 1, purpose: .corruption)), rows(record.drawn).map { record.proposed[$0] }
    )
  }

  /// Every gradient to 10⁻⁴ of its norm, those of the shared embedding with what both networks add.
  private func compare(_ gradients: GradientRecorder, _ objective: Electra, _ expected: SafetensorsFile) throws {
    let (main, generator) = (objective.exported, objective.generator.configuration)
    var tensors = HuggingFaceNames.tensors(for: main).map { ("gradient.discriminator.", "", $0) }
    for tensor in HuggingFaceNames.tensors(for: generator, as: ElectraGeneratorFamily.self)
    where tensor.view(in: gradients.sums, prefix: "generator.") != nil {
      tensors.append(("gradient.generator.", "generator.", tensor))
    }
    var compared: [String: Int] = [:]
    var pairs: [(name: String, difference: Double, norm: Double)] = []
    for (place, prefix, tensor) in tensors {
      let ours = try #require(tensor.view(in: gradients.sums, prefix: prefix)).array
      let theirs = try expected.floats(place + tensor.fileName)
      try #require(ours.count == theirs.count, "\(tensor.fileName)")
      func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
      pairs.append(
        (
          place + tensor.fileName, norm(zip(ours, theirs).map { Double($0) - Double($1) }),
          norm(theirs.map(Double.init))
        ))
      compared[prefix + tensor.internalName, default: 0] += ours.count
    }
    for entry in gradients.sums.layout.entries {
      #expect(compared[entry.name] == entry.count, "\(entry.name) is compared once")
    }
    #expect(tensors.count == expected.tensors.count, "every gradient of the library is compared")
    let largest = pairs.map(\.norm).max() ?? 0
    for pair in pairs { #expect(pair.difference <= 1e-4 * max(pair.norm, 1e-3 * largest), "\(pair.name)") }
    print(
      "electra: gradients differ by at most \(pairs.map { $0.difference / max($0.norm, 1e-3 * largest) }.max() ?? .nan)"
    )
  }
}
