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

extension SafetensorsFile {
  /// All numbers of a tensor.
  fileprivate func read(_ name: String, into numbers: inout [Float]) throws {
    let count = numbers.count
    try numbers.withUnsafeMutableBufferPointer {
      try read(name, into: TensorView(base: try #require($0.baseAddress), rows: 1, columns: count))
    }
  }
}

/// Objectives on images against the classes of `transformers`: the same weights, the same images, the same masks.
@Suite struct VisionParityTests {
  /// What `scripts/goldens/vision.py` recorded.
  private struct Record: Decodable {
    var samples: Int
    var loss: Double
    var visible: [[Int]]?
    var hidden: [[Int]]?
  }

  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("goldens/vision").path
  private let data = DataShape(grid: GridShape(channels: 3, extent: [12, 12], patch: [4, 4]), unit: .patches)

  private func record(_ name: String) throws -> (folder: String, Record) {
    let folder = "\(Self.root)/\(name)"
    return (
      folder,
      try JSONDecoder.snakeCase().decode(
        Record.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/golden.json")))
    )
  }

  /// The recorded images [n, 3, 12, 12] as samples.
  private func samples(_ folder: String, _ count: Int) throws -> SampleBatch {
    let grid = try #require(data.grid)
    var images = [Float](repeating: 0, count: count * grid.count)
    try SafetensorsFile(folder + "/expected.safetensors").read("images", into: &images)
    let values = (0..<count).flatMap { image in
      (0..<grid.count).map { images[image * grid.count + grid.element($0 / grid.size, $0 % grid.size)] }
    }
    return SampleBatch(
      sampleIDs: (0..<UInt64(count)).map { $0 }, length: grid.positions, lookahead: 0, values: values,
      valueSize: grid.size, documentIDs: [Int32](repeating: 0, count: count * grid.positions))
  }

  @Test func maskedAutoencoder() throws {
    BLAS.useOneThread()
    let (folder, record) = try record("vit-mae")
    let source = try HuggingFaceSource(folder)
    let shape = try #require(source.configuration.decoder)
    var options = MAE.Options()
    (options.maskRatio, options.normPixLoss) = (shape.maskRatio, shape.normPixLoss)
    (options.decoderHiddenSize, options.decoderNumLayers) = (shape.hiddenSize, shape.numLayers)
    (options.decoderNumHeads, options.decoderIntermediateSize) = (shape.numHeads, shape.intermediateSize)
    var encoder = source.configuration
    encoder.decoder = nil
    let objective = try MAE(options, model: encoder, data: data)
    #expect(objective.exported == source.configuration)
    let clean = try samples(folder, record.samples)
    let example = objective.reconstruction.example(clean, visible: try #require(record.visible))
    try compare(objective, example, source, record)
  }

  @Test func maskedImageModelling() throws {
    BLAS.useOneThread()
    let (folder, record) = try record("vit-masked-image")
    let source = try HuggingFaceSource(folder)
    let objective = try SimMIM(SimMIM.Options(), model: source.configuration, data: data)
    #expect(objective.exported == source.configuration)
    let clean = try samples(folder, record.samples)
    var masked = MaskedPatches(objective.encoder.configuration)
    for (sample, hidden) in try #require(record.hidden).enumerated() { masked.add(sample, of: clean, hiding: hidden) }
    try compare(objective, masked.example(clean), source, record)
  }

  /// Loads every parameter from the folder, and compares the loss and the gradients; the fixed tables are those that
  /// this project makes.
  private func compare(
    _ objective: some Objective, _ example: TrainingExample, _ source: HuggingFaceSource, _ record: Record
  ) throws {
    let (layout, parameters) = (objective.networks.trained, ParameterSet(objective.networks))
    parameters.trained.initialize(seed: 1)
    let tables = layout.entries.filter { $0.spec.role == .state }.map { ($0, parameters.trained.view($0.index).array) }
    parameters.trained.all.fill(.nan)
    #expect(try source.load(into: parameters.trained, as: objective.exported) == ImportReport())
    for entry in layout.entries { #expect(!parameters.trained.view(entry.index).array.contains { $0.isNaN }) }
    for (entry, table) in tables {
      let loaded = parameters.trained.view(entry.index).array
      #expect(zip(loaded, table).allSatisfy { abs($0 - $1) <= 1e-6 }, "\(entry.name)")
    }
    let gradients = GradientRecorder(layout)
    let length = objective.encoder.configuration.maxPosition
    let (arena, workspace) = Arena.sized { objective.workspace(samples: record.samples, length: length, $0) }
    arena.fill(.nan)
    let sums = objective.lossAndGradient(
      example, ObjectivePass(parameters, sink: gradients, dropout: nil), scales: [Float(1 / example.counts[0])],
      workspace)
    #expect(abs(sums[0] / example.counts[0] / record.loss - 1) <= 1e-5)
    let expected = try SafetensorsFile(source.path + "/expected.safetensors")
    let total = gradients.sums.all.array.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    for tensor in HuggingFaceNames.tensors(for: objective.exported) {
      guard let entry = layout.entry(named: tensor.internalName), entry.spec.role == .trained else { continue }
      let own = try #require(tensor.view(in: gradients.sums))
      var b = [Float](repeating: 0, count: own.count)
      try expected.read("gradient." + tensor.fileName, into: &b)
      let a = own.array
      let norm = b.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      let distance = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
      // Softmax does not feel a key's bias: its gradient is rounding alone.
      #expect(distance <= 1e-4 * norm + 1e-7 * total, "\(tensor.fileName): \(distance) of \(norm)")
    }
  }
}
