@testable import Classification
import Collectives
import Core
import Data
import DataSupport
@testable import Evaluation
import Kernels
import Layers
import Models
import Objectives
import Tensors
import Testing

/// `frames` and its k-means, against numbers worked out by hand.
@Suite struct FramesTests {
  /// Series of 12 steps: 10 · (3 · label + third) and a little noise; labels take turns.
  private static func series(_ count: Int, seed: UInt64) -> ([Float], [UInt8]) {
    let random = CounterGenerator(seed: seed, purpose: .order)
    let labels = (0..<count).map { UInt8($0 % 2) }
    let values = (0..<count * 12).map { i in
      Float(10 * (3 * Int(labels[i / 12]) + i % 12 / 4)) + random.uniform(i)
    }
    return (values, labels)
  }

  private func context(threads: Int = 1) throws -> (files: ValueCorpus, context: MeasureContext) {
    BLAS.useOneThread()
    let files = try ValueCorpus(
      [1, 12], train: Self.series(30, seed: 1), validation: Self.series(10, seed: 2), unit: .steps)
    let shape = try #require(files.corpus.manifest.values).shape(patch: [2])
    let entry = try #require(ObjectiveRegistry.entry(named: "ti-mae"))
    let model = entry.requirements(entry.defaultOptions).model(
      shape, hiddenSize: 16, numLayers: 1, numHeads: 2, maxPosition: 0)
    var layout = ParameterLayout()
    let encoder = Transformer(model, head: false, into: &layout)
    let parameters = ParameterStore(layout)
    parameters.initialize(seed: 5)
    return (
      files,
      MeasureContext(
        MeasuredModel(
          path: "memory", encoder: encoder, parameters: parameters, data: shape,
          objective: ("ti-mae", entry.defaultOptions)),
        corpus: files.corpus, communicator: SingleRank(), threads: threads, microBatch: 4)
    )
  }

  @Test func agreementOfLabels() {
    // H(a) = ln 2, H(b) = 1.5 · ln 2, I = ln 2: 2 / 2.5. Three of four have the most frequent label of their cluster.
    let agreement = LabelAgreement([0, 0, 1, 1], with: [5, 5, 6, 7])
    #expect(abs(agreement.normalizedInformation - 0.8) < 1e-12)
    #expect(agreement.purity == 0.75 && abs(agreement.perplexity - 2) < 1e-12)
    #expect(LabelAgreement([3, 3], with: [1, 1]).normalizedInformation == 0)
    let independent = LabelAgreement([0, 0, 1, 1], with: [0, 1, 0, 1])
    #expect(independent.normalizedInformation == 0 && independent.purity == 0.5)
  }

  @Test func clustersOfSeparateGroups() throws {
    let made = try context()
    // Three groups around 0, 100 and 200, in turns.
    let rows = (0..<30).map { (i: Int) -> [Double] in [Double(100 * (i % 3) + i / 3), Double(i % 3)] }
    let x = DenseExamples(rows)
    let clusters = try KMeans(x, clusters: 3, made.context)
    let assigned = try clusters.nearest(x, made.context)
    #expect((0..<30).allSatisfy { assigned[$0].cluster == assigned[$0 % 3].cluster })
    #expect(Set(assigned.map(\.cluster)).count == 3 && clusters.rounds < KMeans.mostRounds)
    // Means of 0 … 9 and so on: the sum of squares of a group is 82.5.
    #expect(abs(assigned.map(\.distance).reduce(0, +) - 247.5) < 1e-9)
    // Every cluster has a row, even where rows are equal.
    let same = DenseExamples([[1], [1], [1], [2]])
    #expect(try KMeans(same, clusters: 4, made.context).centres.rows == 4)
  }

  @Test func positionsThatSpellTheirClass() throws {
    let made = try context()
    var options = FramesMeasure.Options()
    (options.clusters, options.positions, options.bins) = (6, 6, 3)
    let result = try FramesMeasure(options)(made.context)
    // Six classes of ten positions each of ten records, which the numbers tell apart.
    #expect(result["frames.raw_nmi"] == 1 && result["frames.raw_purity"] == 1)
    #expect(abs(try #require(result["frames.raw_cluster_perplexity"]) - 6) < 1e-9)
    #expect(abs(try #require(result["frames.majority_accuracy"]) - 1.0 / 6) < 1e-12)
    let accuracy = try #require(result.values.first { $0.name == "frames.accuracy" })
    #expect(accuracy.items?.counts == [Double](repeating: 6, count: 10))
    #expect(abs((accuracy.items?.sums.reduce(0, +) ?? 0) / 60 - accuracy.value) < 1e-12)
    #expect(result.values.first { $0.name == "frames.raw_nmi" }?.baselineOf == "frames.nmi")
    let threaded = try context(threads: 3)
    #expect(try FramesMeasure(options)(threaded.context) == result)
    // Without parts of a record a class is a label.
    options.bins = 1
    #expect(abs(try #require(try FramesMeasure(options)(made.context)["frames.majority_accuracy"]) - 0.5) < 1e-12)
  }

  @Test func positionsSpreadOverAllAxes() {
    #expect(spreadPositions(6, of: 6) == [0, 1, 2, 3, 4, 5] && spreadPositions(9, of: 4) == [0, 1, 2, 3])
    for (count, width, all) in [(8, 8, 64), (8, 16, 256), (8, 7, 49), (10, 12, 96), (3, 2, 6)] {
      let chosen = spreadPositions(count, of: all)
      #expect(chosen.count == count && Set(chosen).count == count && chosen == chosen.sorted())
      #expect(Set(chosen.map { $0 % width }).count > min(width, count) / 2, "\(count) of \(all)")
      #expect(Set(chosen.map { $0 / width }).count > min(all / width, count) / 2, "\(count) of \(all)")
    }
  }

  @Test func optionsOutOfRangeAndUnknownFields() throws {
    var options = FramesMeasure.Options()
    (options.bins, options.clusters) = (0, 1)
    let error = try #require(throws: ConfigurationError.self) { try FramesMeasure(options) }
    #expect(error.problems.map(\.key) == ["measures.frames.bins", "measures.frames.clusters"])
    var unknown = FramesMeasure.Options()
    unknown.labels = "phone"
    let made = try context()
    #expect(throws: ConfigurationError.self) { try FramesMeasure(unknown)(made.context) }
    #expect(try FramesMeasure(.init()).problems(input: .tokens).map(\.key) == ["measures.frames"])
  }
}
