@testable import Classification
import Core
import Evaluation
@testable import Kernels
import Layers
import Models
import Objectives
@testable import Safetensors
import Tensors
import TestSupport
import Testing

extension ExampleClassification: ReferencedObjective {
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { LabelledSamples.check }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (input, targets) = (example.inputs[0], example.targets[0])
    let hidden = scope.hidden(input, encoder.configuration)
    // The lengths of the samples are known here by themselves, not from the ranges of attention.
    let pooled = (0..<input.sampleIDs.count).map { sample -> Value in
      let real = input.tokens[sample * input.length..<(sample + 1) * input.length].filter { $0 != 0 }.count
      let rows =
        options.feature == "cls"
        ? [0]
        : options.feature == "last"
          ? [real - (options.trailing + 1)] : Array(options.leading..<real - options.trailing)
      let sum = rows.map { hidden.taking(rows: [sample * input.length + $0]) }
      return sum.dropFirst().reduce(sum[0]) { $0 + $1 } * (1 / Double(rows.count))
    }
    func dropped(_ x: Value, _ site: UInt32) -> Value {
      scope.dropped(x, rate: encoder.configuration.dropout, positions: input.sampleIDs, site: site)
    }
    let x = Value.stacked(pooled)
    let last =
      switch options.head {
      case .linear: dropped(x, 8)
      case .score: x
      case .pooler: dropped(scope.linear("classifier.dense", x, inputMajor: false).hyperbolicTangent(), 8)
      case .dense:
        dropped(scope.activation(.gelu, scope.linear("classifier.dense", dropped(x, 9), inputMajor: false)), 8)
      }
    let scores = scope.linear("classifier", last, inputMajor: false)
    return [scope.crossEntropy(scores.taking(rows: targets.rows), targets: targets.ids, weights: targets.weights)]
  }
}

extension LabelledSamples {
  /// Five texts of several lengths; id 0 is padding and nothing else.
  static let check = LabelledSamples(
    texts: [[2, 7, 9, 3], [2, 8, 3], [2, 12, 11, 10, 9, 3], [2, 4, 4, 3], [2, 5, 6, 7, 3]], labels: [2, 0, 1, 1, 0],
    padding: 0, seed: 4)
}

/// The objective of fine-tuning against the double-precision reference, and what its samples are.
@Suite struct TextClassificationTests {
  private func objective(_ feature: String, _ head: ClassificationHead.Kind = .linear, causal: Bool, dropout: Float)
    throws -> ExampleClassification
  {
    var options = ExampleClassification.Options()
    (options.classes, options.feature, options.head) = (3, feature, head)
    (options.leading, options.trailing) = (1, 1)
    var shape: ModelConfiguration =
      causal
      ? .gpt2(vocabSize: 23, maxPosition: 11, hiddenSize: 6, numLayers: 2, numHeads: 3)
      : .bert(vocabSize: 23, maxPosition: 11, hiddenSize: 6, numLayers: 2, numHeads: 3)
    (shape.intermediateSize, shape.dropout, shape.attentionDropout) = (7, dropout, dropout)
    return try ExampleClassification(options, model: shape, vocabulary: ToyTokens.vocabulary)
  }

  @Test(arguments: ["cls", "mean", "last"], [true, false])
  func gradientIsThatOfTheReference(feature: String, causal: Bool) throws {
    try check(try objective(feature, causal: causal, dropout: 0.125))
  }

  @Test(arguments: [("cls", ClassificationHead.Kind.pooler), ("cls", .dense), ("last", .score)])
  func gradientOfEveryHeadIsThatOfTheReference(feature: String, head: ClassificationHead.Kind) throws {
    try check(try objective(feature, head, causal: head == .score, dropout: 0.125))
  }

  private func check(_ objective: ExampleClassification) throws {
    let context = StepContext(seed: 1, step: 3, steps: 10)
    let batch = LabelledSamples.check.samples(at: 7..<10)
    let example = objective.corrupt(batch, context)
    let run = ObjectiveRun(objective, samples: 3, length: 11, seed: 2)
    let scales: [Float] = [0.37]
    let reference = run.reference(example, scales: scales, dropout: true)
    let point = run.parameters.trained.all.array.map(Double.init)
    var faults = parameterDifferenceFaults(
      "reference", objective.networks.trained, point, reference.gradients, .directions(2), seed: 3
    ) {
      run.reference(example, scales: scales, dropout: true, parameters: $0, recording: false).losses[0]
        * Double(scales[0])
    }
    let float = run.run(example, scales: scales, dropout: true)
    let tolerance = Tolerance.float(sum: 3 * example.inputs[0].rows, depth: 12)
    faults += [mismatch("loss", float.losses, reference.losses, tolerance: tolerance)].compactMap(\.self)
    faults += float.sink.wrongUses()
    faults += gradientFaults("objective", float.sink, reference.gradients, tolerance: tolerance)
    #expect(faults == [])
    #expect(run.run(example, scales: scales, gradient: false).losses == run.run(example, scales: [2]).losses)
  }

  @Test func samplesCarryTheirLabels() throws {
    let source = LabelledSamples.check
    let batch = source.samples(at: 10..<15)
    #expect(batch.indices.sorted() == [0, 1, 2, 3, 4] && batch.indices.map(Int.init) != [0, 1, 2, 3, 4])
    #expect(batch.length == 6 && batch.lookahead == 0)
    let example = try objective("mean", causal: false, dropout: 0).corrupt(
      batch, StepContext(seed: 1, step: 0, steps: 1))
    for (sample, index) in batch.indices.enumerated() {
      let text = source.texts[Int(index)]
      #expect(Array(example.inputs[0].tokens[sample * 6..<sample * 6 + text.count]) == text)
      #expect(example.inputs[0].realRows(of: sample) == text.count)
      #expect(example.targets[0].ids[sample] == Int32(source.labels[Int(index)]))
    }
    // Each epoch has an order of its own; a padded sample has no label.
    #expect(
      (0..<4).map { source.samples(at: $0 * 5..<$0 * 5 + 5).indices }.reduce(into: Set()) { $0.insert($1) }.count > 1)
    let padded = try objective("mean", causal: false, dropout: 0).corrupt(
      batch.padded(to: 7), StepContext(seed: 1, step: 0, steps: 1))
    #expect(padded.targets == example.targets && padded.counts == [5])
  }
}
