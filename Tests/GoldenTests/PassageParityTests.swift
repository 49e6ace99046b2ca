import Core
import Foundation
import HuggingFace
import Kernels
import Layers
import Objectives
import Safetensors
import Storage
import Tensors
import Testing

/// A folder that `scripts/goldens/passages.py` recorded: an encoder, a decoder, their inputs and targets, what torch
/// computed.
struct PassageGolden: Sendable, CustomTestStringConvertible {
  struct Record: Codable, Sendable {
    struct Targets: Codable, Sendable {
      var rows: [Int]
      var ids: [Int32]
      var weights: [Float]
    }

    var query: String
    /// Empty without a bag of words.
    var bagCounts: String
    var samples: Int
    var length: Int
    var clean: [Int32]
    var masked: [Int32]
    /// 1 for a token, 0 for padding.
    var real: [Int32]
    /// [samples, length, length].
    var visible: [Int]
    /// Of the terms encoder, decoder and bag.
    var targets: [Targets]
    var counts: [Double]
    var weights: [Double]
    var losses: [Double]
  }

  let path: String
  let record: Record

  var testDescription: String { URL(fileURLWithPath: path).lastPathComponent }

  static func all() throws -> [PassageGolden] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
      .appendingPathComponent("goldens/passages").path
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
      let path = "\(folder)/\(name)"
      return PassageGolden(
        path: path,
        record: try JSONDecoder.snakeCase().decode(
          Record.self, from: Data(contentsOf: URL(fileURLWithPath: path + "/golden.json"))))
    }
  }

  /// The samples as a corpus gives them.
  var batch: SampleBatch {
    SampleBatch(
      sampleIDs: (0..<UInt64(record.samples)).map { $0 }, length: record.length, lookahead: 0, tokens: record.clean,
      documentIDs: record.real.map { $0 - 1 })
  }

  /// The masks and views that torch computed with.
  var example: TrainingExample {
    let clean = batch.input(attentionMask: .bidirectional, documentMasking: false)
    var (masked, decoded) = (clean, clean)
    masked.tokens = record.masked
    var visible = AttentionBitmask(samples: record.samples, queries: record.length, keys: record.length)
    for (i, flag) in record.visible.enumerated() {
      visible[i / record.length / record.length, i / record.length % record.length, i % record.length] = flag == 1
    }
    decoded.visible = visible
    return TrainingExample(
      inputs: [masked, decoded],
      targets: zip(record.targets, record.counts).map {
        TermTargets(rows: $0.rows, ids: $0.ids, weights: $0.weights, count: $1)
      })
  }

  func objective(_ model: ModelConfiguration) throws -> any Objective {
    let vocabulary = Vocabulary(size: model.vocabSize, pad: 0, mask: 1, cls: 2, sep: 3)
    guard record.bagCounts.isEmpty else {
      var options = DupMAE.Options()
      (options.query, options.bagCounts) = (
        try #require(.init(rawValue: record.query)), try #require(.init(rawValue: record.bagCounts))
      )
      return try DupMAE(options, model: model, vocabulary: vocabulary)
    }
    var options = RetroMAE.Options()
    options.query = try #require(.init(rawValue: record.query))
    return try RetroMAE(options, model: model, vocabulary: vocabulary)
  }
}

@Suite("retromae and dupmae compute what torch computes")
struct PassageParityTests {
  @Test func bothAreRecorded() throws {
    #expect(Set(try PassageGolden.all().map(\.record.query)) == ["raw", "embedded"])
    #expect(Set(try PassageGolden.all().map(\.record.bagCounts)) == ["", "assigned", "accumulated"])
  }

  @Test(arguments: try PassageGolden.all())
  func lossesAndGradients(_ golden: PassageGolden) throws {
    BLAS.useOneThread()
    let source = try HuggingFaceSource(golden.path)
    let expected = try SafetensorsFile(golden.path + "/expected.safetensors")
    let objective = try golden.objective(source.configuration)
    let parameters = ParameterSet(objective.networks)
    _ = try source.load(into: parameters.trained, as: source.configuration)
    let decoder = parameters.trained.layout.entries.filter { $0.name.hasPrefix("decoder.") }
    for entry in decoder { try expected.read(entry.name, into: parameters.trained.view(entry.index)) }
    let sink = GradientRecorder(parameters.trained.layout)
    let (samples, length, example) = (golden.record.samples, golden.record.length, golden.example)
    let (arena, workspace) = Arena.sized { objective.workspace(samples: samples, length: length, $0) }
    arena.fill(.nan)
    let scales = zip(golden.record.weights, golden.record.counts).map { Float($0 / $1) }
    let sums = withExtendedLifetime(arena) {
      objective.lossAndGradient(example, ObjectivePass(parameters, sink: sink, dropout: nil), scales: scales, workspace)
    }
    #expect(objective.terms.map(\.weight) == golden.record.weights)
    let differences = zip(zip(sums, golden.record.counts), golden.record.losses).map { abs($0.0 / $0.1 - $1) / $1 }
    #expect(differences.count == sums.count && differences.allSatisfy { $0 <= 1e-5 }, "\(differences)")

    let names =
      HuggingFaceNames.tensors(for: source.configuration)
      .filter { expected["gradient.\($0.fileName)"] != nil }.map { ($0.fileName, $0.internalName, $0.rows) }
      + decoder.map { ($0.name, $0.name, nil) }
    #expect(names.count == expected.tensors.count - decoder.count, "every gradient of torch is compared")
    #expect(names.count > decoder.count && decoder.count == 14)
    var pairs: [(name: String, difference: Double, norm: Double)] = []
    for (file, parameter, rows) in names {
      let entry = try #require(parameters.trained.layout.entry(named: parameter))
      let whole = sink.sums.view(entry.index)
      let ours =
        rows.map { (entry.spec.shape.count == 1 ? whole.shaped(whole.count, 1) : whole).rows($0).array } ?? whole.array
      let theirs = try expected.floats("gradient.\(file)")
      try #require(ours.count == theirs.count, "\(file)")
      pairs.append((file, norm(zip(ours, theirs).map { Double($0) - Double($1) }), norm(theirs.map(Double.init))))
    }
    let largest = pairs.map(\.norm).max() ?? 0
    let shares = pairs.map { (share: $0.difference / max($0.norm, 1e-3 * largest), name: $0.name) }
    let worst = try #require(shares.first { $0.share.isNaN } ?? shares.max { $0.share < $1.share })
    print(
      "\(golden.testDescription): losses differ by \(differences.max() ?? .nan) of themselves, gradients by \(worst.share) (\(worst.name))"
    )
    #expect(worst.share <= 1e-4)
  }

  /// The bag that is drawn from a passage is the one that torch was given.
  @Test(arguments: try PassageGolden.all().filter { !$0.record.bagCounts.isEmpty })
  func bags(_ golden: PassageGolden) throws {
    let objective = try golden.objective(try HuggingFaceSource(golden.path).configuration)
    let example = objective.corrupt(golden.batch, StepContext(seed: 1, step: 0, steps: 1))
    #expect(
      example.targets[2] == golden.example.targets[2] && example.targets[1].rows == golden.example.targets[1].rows)
  }

  private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
}
