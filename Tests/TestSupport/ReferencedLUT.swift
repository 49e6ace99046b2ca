import Core
import Kernels
import Layers
import Models
import Objectives

extension LUT: ReferencedObjective {
  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    guard let teacher = auxiliaries["teacher"] else { return [] }
    let (all, model) = (example.targets[0], encoder.configuration)
    let decoded = scope.decoded(example, reconstruction.autoencoder)
    let predicted = scope.linear(
      "output", decoded.taking(rows: reconstruction.decoderRows(all.rows, example)), inputMajor: false)
    let length = example.inputs[1].length - model.leadingRows
    let samples = example.targets[1].rows.map { $0 / length }
    var other = scope
    other.siteOffset = 2 << 24
    let visible = [(scope, example.inputs[0]), (other, example.inputs[2])].map { own, input in
      scope.perceptron(
        "predictor",
        scope.perceptron("projector", own.positionMeans(input, samples, model), model), model)
    }
    let whole = example.inputs[3...].map { input in
      teacher.perceptron("projector", teacher.positionMeans(input, samples, model), model).stopped()
    }
    let losses = visible[0].oneMinusCosine(whole[1]).total() + visible[1].oneMinusCosine(whole[0]).total()
    return [scope.regression(.l2, predicted, all.numbers), losses]
  }
}

extension Scope {
  /// The mean hidden state of each sample over its positions, without [CLS] and padding.
  func positionMeans(_ input: SequenceInput, _ samples: [Int], _ model: ModelConfiguration) -> Value {
    var weights = [Double](repeating: 0, count: samples.count * input.rows)
    for (i, sample) in samples.enumerated() {
      // What the first position sees are [CLS] and the positions that are no padding.
      let first = sample * input.length + model.leadingRows
      let seen = Int(input.ranges.end[first]) - model.leadingRows
      for k in 0..<seen { weights[i * input.rows + first + k] = 1 / Double(seen) }
    }
    return tape.leaf(samples.count, input.rows, weights).times(hidden(input, model))
  }

  /// W₂·ReLU(LN(W₁·x + b₁)) + b₂.
  func perceptron(_ name: String, _ x: Value, _ model: ModelConfiguration) -> Value {
    let normed = norm(
      "\(name).norm", linear("\(name).inner", x, inputMajor: false), .layer, epsilon: model.normEps)
    let isActive = normed.data.map { $0 > 0 ? 1.0 : 0 }
    return linear(
      "\(name).output", normed * tape.leaf(normed.rows, normed.columns, isActive), inputMajor: false)
  }
}
