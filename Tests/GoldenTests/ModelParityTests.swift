import Core
@testable import HuggingFace
import Kernels
import Layers
import Models
@testable import Safetensors
import Tensors
import Testing

@Suite("Models compute what the classes of transformers compute")
struct ModelParityTests {
  /// Forward, loss and backward of a golden's samples in one micro-batch, from the weights in its folder.
  struct Outcome {
    let configuration: ModelConfiguration
    /// [samples · length, V].
    let logits: [Float]
    let loss: Double
    let gradients: GradientRecorder

    init(_ golden: Golden) throws {
      BLAS.useOneThread()
      let source = try HuggingFaceSource(golden.path)
      configuration = source.configuration
      var layout = ParameterLayout()
      let model = Transformer(configuration, into: &layout)
      let parameters = ParameterStore(layout)
      _ = try source.load(into: parameters, as: configuration)
      gradients = GradientRecorder(layout)
      let all = 0..<golden.record.samples
      let input = golden.input(all, configuration.attentionMask)
      let (arena, workspace) = Arena.sized {
        Transformer.Workspace(model, samples: all.count, length: input.length, $0)
      }
      arena.fill(.nan)
      let pass = Pass(parameters, sink: gradients)
      let hidden = model.forward(input, pass, workspace)
      let (head, saved) = (try #require(model.head), try #require(workspace.head))
      var logits: [Float] = []
      for start in stride(from: 0, to: input.rows, by: head.sliceRows) {
        logits += head.logits(hidden, rows: Array(start..<min(start + head.sliceRows, input.rows)), pass, saved).array
      }
      self.logits = logits
      let (rows, ids) = golden.targets(all, configuration.attentionMask)
      let targets = VocabularyHead.Targets(rows: rows, ids: ids, weights: [Float](repeating: 1, count: rows.count))
      let sum = head.loss(
        hidden, targets, scale: 1 / Float(rows.count), pass, saved,
        gradient: model.beginGradient(input, pass, workspace))
      loss = sum / Double(rows.count)
      model.backward(input, pass, workspace)
    }
  }

  @Test func everyFamilyIsRecorded() throws {
    let names = Set(try Golden.all().map(\.name))
    #expect(names.isSuperset(of: ["bert", "bert-gelu-new-untied", "gpt2", "gpt2-gelu-untied", "llama", "llama-tied"]))
  }

  @Test(arguments: try Golden.all())
  func logitsLossAndGradients(_ golden: Golden) throws {
    let outcome = try Outcome(golden)
    let expected = try golden.expected()
    let logits = try logitDeviation(outcome, golden, try expected.floats("logits"))
    let loss = abs(outcome.loss - golden.record.loss) / golden.record.loss
    let gradient = try gradientDeviation(outcome, expected)
    print(
      "\(golden.name): logits differ by \(logits), the loss by \(loss) of itself, gradients by \(gradient.share) (\(gradient.name))"
    )
    #expect(logits <= 1e-4)
    #expect(loss <= 1e-5)
    #expect(gradient.share <= 1e-4)
  }

  /// The largest difference of a logit of a real position.
  private func logitDeviation(_ outcome: Outcome, _ golden: Golden, _ expected: [Float]) throws -> Float {
    try #require(expected.count == outcome.logits.count)
    let vocabulary = outcome.configuration.vocabSize
    var worst: Float = 0
    for (row, real) in golden.record.real.enumerated() where real == 1 {
      for i in row * vocabulary..<(row + 1) * vocabulary {
        let difference = abs(outcome.logits[i] - expected[i])
        // A NaN is larger than anything.
        worst = difference <= worst ? worst : difference
      }
    }
    return worst
  }

  /// The largest ‖Δ‖ / max(‖g‖, 10⁻³ · the largest norm of a tensor), and the tensor that has it.
  private func gradientDeviation(_ outcome: Outcome, _ expected: SafetensorsFile) throws -> (
    share: Double, name: String
  ) {
    let tensors = HuggingFaceNames.tensors(for: outcome.configuration).filter {
      expected["gradient.\($0.fileName)"] != nil
    }
    var compared: [String: Int] = [:]
    var pairs: [(name: String, difference: Double, norm: Double)] = []
    for tensor in tensors {
      let ours = try #require(tensor.view(in: outcome.gradients.sums)).array
      let theirs = try expected.floats("gradient.\(tensor.fileName)")
      try #require(ours.count == theirs.count, "\(tensor.fileName)")
      pairs.append(
        (tensor.fileName, norm(zip(ours, theirs).map { Double($0) - Double($1) }), norm(theirs.map { Double($0) })))
      compared[tensor.internalName, default: 0] += ours.count
    }
    for entry in outcome.gradients.sums.layout.entries {
      #expect(compared[entry.name] == entry.count, "every element of \(entry.name) is compared once")
    }
    #expect(tensors.count == expected.tensors.count - 1, "every gradient of the library is compared")
    let largest = pairs.map(\.norm).max() ?? 0
    let shares = pairs.map { (share: $0.difference / max($0.norm, 1e-3 * largest), name: $0.name) }
    return shares.first { $0.share.isNaN } ?? shares.max { $0.share < $1.share } ?? (.nan, "nothing")
  }

  private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
}
