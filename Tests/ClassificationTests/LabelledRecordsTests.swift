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

/// `probe`, `knn` and `finetune` on the labels of a corpus of numbers.
@Suite struct LabelledRecordsTests {
  /// Records [1, 4, 4] of noise; those of class 1 are brighter by 3 in the upper half. Label 9 is never seen.
  private static func records(_ count: Int, seed: UInt64) -> ([Float], [UInt8]) {
    let random = CounterGenerator(seed: seed, purpose: .order)
    var (values, labels) = ([Float](), [UInt8]())
    for i in 0..<count {
      labels.append(UInt8(i % 3 == 0 ? 1 : 0))
      values += (0..<16).map { random.uniform(16 * i + $0) + (labels[i] == 1 && $0 < 8 ? 3 : 0) }
    }
    return (values, labels)
  }

  private func corpus() throws -> ValueCorpus {
    try ValueCorpus([1, 4, 4], train: Self.records(60, seed: 1), validation: Self.records(24, seed: 2))
  }

  private func context(_ made: ValueCorpus, causal: Bool = false, threads: Int = 1, microBatch: Int = 4) throws
    -> MeasureContext
  {
    BLAS.useOneThread()
    let shape = try #require(made.corpus.manifest.values).shape(patch: [2, 2])
    let (name, options): (String, any ObjectiveOptions) =
      causal ? ("ar-values", NextValues.Options()) : ("mae", MAE.Options())
    let entry = try #require(ObjectiveRegistry.entry(named: name))
    let model = entry.requirements(options).model(shape, hiddenSize: 16, numLayers: 1, numHeads: 2, maxPosition: 0)
    var layout = ParameterLayout()
    let encoder = Transformer(model, head: false, into: &layout)
    let parameters = ParameterStore(layout)
    parameters.initialize(seed: 5)
    return MeasureContext(
      MeasuredModel(path: "memory", encoder: encoder, parameters: parameters, data: shape, objective: (name, options)),
      corpus: made.corpus, communicator: SingleRank(), threads: threads, microBatch: microBatch)
  }

  @Test func recordsOfBothSplitsAreRead() throws {
    let made = try corpus()
    let all = try LabelledRecords(try context(made), "probe", field: "label", train: 0, test: 0)
    #expect(all.classes == ["0", "1"] && all.trainLabels.count == 60 && all.testLabels.count == 24)
    #expect(all.trainLabels == Self.records(60, seed: 1).1.map(Int.init))
    #expect(all.majorityAccuracy == 16.0 / 24)
    let few = try LabelledRecords(try context(made), "probe", field: "label", train: 20, test: 5)
    #expect(few.trainLabels.count == 20 && few.testLabels.count == 5)
    // What is drawn keeps its place, its label and its numbers.
    for index in 0..<5 {
      let line = few.shown(test: index).line
      #expect(few.testLabels[index] == all.testLabels[line - 1])
      let (a, b) = (UInt64(index), UInt64(line - 1))
      #expect(try few.test.samples(at: a..<a + 1).values == all.test.samples(at: b..<b + 1).values)
    }
  }

  @Test func fieldsWithoutLabelsAreRefusedByName() throws {
    let made = try corpus()
    let error = try #require(throws: ConfigurationError.self) {
      try LabelledRecords(try context(made), "knn", field: "digit", train: 0, test: 0)
    }
    #expect(error.problems.map(\.key) == ["measures.knn.labels"] && "\(error)".contains("label"))
    var options = ProbeMeasure.Options()
    #expect(try ProbeMeasure(options).unsupportedReason(try context(made).model) == nil)
    options.train = "x.tsv"
    #expect(try #require(try ProbeMeasure(options).unsupportedReason(try context(made).model)).contains("numbers"))
    options.train = ""
    #expect(try ProbeMeasure(options).problems(input: .tokens).map(\.key) == ["measures.probe.train"])
    options.labels = ""
    #expect(throws: ConfigurationError.self) { try ProbeMeasure(options) }
  }

  /// The features of a record are the means of the states that the encoder gives its whole input.
  @Test(arguments: [true, false])
  func featuresAreThoseOfTheWholeRecord(causal: Bool) throws {
    let made = try corpus()
    let context = try context(made, causal: causal, microBatch: 5)
    let data = try LabelledRecords(context, "probe", field: "label", train: 0, test: 0)
    var options = ProbeMeasure.OwnOptions()
    options.features = "all"
    let frozen = try data.features(options, "probe", context)
    let (model, leading) = (context.model, context.model.configuration.leadingRows)
    #expect(frozen.features == (leading > 0 ? [.cls, .mean, .last] : [.mean, .last]))
    let input = try model.makeObjective().whole(try data.test.samples(at: 3..<4))
    let memory = ForwardWorkspace(model.encoder, samples: 1, length: 5)
    let hidden = model.encoder.forward(input, .init(model.parameters), memory.transformer)
    for (feature, x) in zip(frozen.features, frozen.examples) {
      for k in 0..<16 {
        let rows: Range<Int> =
          feature == .cls ? 0..<1 : feature == .last ? leading + 3..<leading + 4 : leading..<leading + 4
        let expected: Double = rows.reduce(0) { $0 + Double(hidden[$1, k]) } / Double(rows.count)
        #expect(abs(Array(x[60 + 3])[k] - expected) < 1e-5, "\(feature), \(k)")
      }
    }
  }

  @Test func probeAndNeighboursFindTheClass() throws {
    let made = try corpus()
    for measure: any Measure in [
      try ProbeMeasure(.init()), try NearestNeighboursMeasure(.init()),
    ] {
      let name = type(of: measure).name
      let result = try measure(try context(made))
      #expect(try #require(result["\(name).mean.accuracy"]) > 0.9, "\(name)")
      #expect(try #require(result["\(name).raw_accuracy"]) > 0.9, "\(name)")
      #expect(result["\(name).majority_accuracy"] == 16.0 / 24)
      // Threads change no bit.
      #expect(try measure(try context(made, threads: 3)) == result)
    }
  }

  /// Numbers of a record without the network: as they are, in their places.
  @Test func rawInputIsTheRecord() throws {
    let made = try corpus()
    let context = try context(made)
    let data = try LabelledRecords(context, "probe", field: "label", train: 0, test: 0)
    let raw = try #require(try data.rawInput(context)).examples
    #expect(raw.rows == 84 && raw.columns == 16)
    #expect(Array(raw[60 + 7]) == (try data.test.samples(at: 7..<8)).values.map(Double.init))
  }

  @Test(arguments: [true, false])
  func finetuningLearnsTheClass(causal: Bool) throws {
    var options = FinetuneMeasure.Options()
    (options.epochs, options.learningRate, options.batch, options.dropout) = (6, 5e-3, 12, 0)
    let made = try corpus()
    let result = try FinetuneMeasure(options)(try context(made, causal: causal))
    let epochs = try #require(result.tables["finetune.epochs"])
    #expect(epochs.rows.count == 6 && epochs.rows[5][1] < epochs.rows[0][1])
    #expect(try #require(result["finetune.accuracy"]) > 0.9)
    #expect(try FinetuneMeasure(options)(try context(made, causal: causal, threads: 2)) == result)
  }
}
