import Core
import Kernels
import Layers
import Models
import Objectives

extension HPM: ReferencedObjective {
  /// Hidden positions and their pairs, whatever was measured of them.
  public func wantedCount(term: Int, _ targets: TermTargets, _ clean: SampleBatch) -> Double {
    let hidden = (0..<clean.count).map { sample -> Int in
      let real = clean.realPositions(sample).count
      return real == clean.length
        ? real - reconstruction.kept : real - max(1, real * reconstruction.kept / clean.length)
    }
    if term == 1 { return Double(hidden.reduce(0) { $0 + $1 * ($1 - 1) / 2 }) }
    return Double(
      options.lossOn == .hidden
        ? hidden.reduce(0, +) : (0..<clean.count).reduce(0) { $0 + clean.realPositions($1).count })
  }

  /// The labels of the ranking are those of losses that go to zero.
  public func canOverfit(term: Int) -> Bool { term == 0 }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (all, ranked, autoencoder) = (example.targets[0], example.targets[1], reconstruction.autoencoder)
    let decoded = scope.decoded(example, autoencoder)
    let predicted = scope.linear(
      "output", decoded.taking(rows: reconstruction.decoderRows(all.rows, example)), inputMajor: false)
    var above = scope
    above.siteOffset = 2 << 24
    let difficulty = above.hidden(
      prefix: "difficulty.", example.inputs[1], autoencoder.decoder.configuration,
      rows: scope.hidden(example.inputs[0], autoencoder.encoder.configuration))
    let scores = scope.linear(
      "difficulty.output", difficulty.taking(rows: reconstruction.decoderRows(ranked.rows, example)),
      inputMajor: false)
    let length = example.inputs[1].length - autoencoder.encoder.configuration.leadingRows
    return [
      scope.regression(.l2, predicted, all.numbers),
      scope.ranking(
        scores, samples: ranked.rows.map { $0 / length },
        losses: ranked.rows.map { row in
          guard let place = all.rows.firstIndex(of: row) else { return 0 }
          return meanSquare(predicted.data, place, all)
        }),
    ]
  }

  /// The mean square of a row's errors over its measured numbers.
  private func meanSquare(_ predicted: [Double], _ row: Int, _ targets: TermTargets) -> Double {
    let k = targets.values.count / targets.rows.count
    let measured = (row * k..<(row + 1) * k).filter {
      targets.elementWeights.isEmpty || targets.elementWeights[$0] > 0
    }
    return measured.reduce(0) { sum, i in
      let error = predicted[i] - Double(targets.values[i])
      return sum + error * error / Double(measured.count)
    }
  }
}

extension Scope {
  /// Σ over pairs i < j of a sample of BCE(pᵢ - pⱼ, 1[ℓᵢ > ℓⱼ]). Labels are held: no gradient flows through them.
  func ranking(_ scores: Value, samples: [Int], losses: [Double]) -> Value {
    let pairs = samples.indices.flatMap { i in
      samples.indices.filter { $0 > i && samples[$0] == samples[i] }.map { (i, $0) }
    }
    let labels = choices.next(pairs.map { losses[$0] > losses[$1] ? 2 : losses[$0] < losses[$1] ? 0 : 1 })
    let logits = scores.taking(rows: pairs.map(\.0)) - scores.taking(rows: pairs.map(\.1))
    return sigmoidCrossEntropy(
      logits, labels: labels.map { Double($0) / 2 }, weights: [Float](repeating: 1, count: pairs.count))
  }
}
