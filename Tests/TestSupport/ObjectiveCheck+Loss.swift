import Core
import Kernels
import Layers
import Objectives
import Tensors

// The loss: its value, its gradient, and what it must not feel.
extension ObjectiveCheck {
  /// Both links through the whole objective, dropout on: differences ⇄ reference ⇄ floats.
  func gradientFaults() throws -> [String] {
    var model = model
    (model.dropout, model.attentionDropout) = (0.125, 0.125)
    let run = try run(2, model)
    let example = run.settled(run.objective.corrupt(try samples(2), context))
    // Scales that no cancelled factor could hide behind.
    let scales = example.counts.indices.map { Float(0.37) / Float($0 + 1) }
    let choices = Choices()
    let reference = run.reference(example, scales: scales, dropout: true, choices: choices)
    let point = run.parameters.trained.all.array.map(Double.init)
    var faults = parameterDifferenceFaults(
      "reference", run.objective.networks.trained, point, reference.gradients, .directions(2), seed: seed
    ) { parameters in
      let losses = run.reference(
        example, scales: scales, dropout: true, parameters: parameters, recording: false, choices: choices
      ).losses
      return zip(losses, scales).reduce(0) { $0 + $1.0 * Double($1.1) }
    }
    let float = run.run(example, scales: scales, dropout: true)
    let tolerance = Tolerance.float(sum: 3 * example.inputs[0].rows, depth: 4 * (model.numLayers + 1))
    faults += zip(float.losses, reference.losses).enumerated().compactMap { term, pair in
      mismatch("loss of term \(term)", [pair.0], [pair.1], tolerance: tolerance)
    }
    faults += float.sink.wrongUses(passes: run.objective.networks.passes)
    faults += TestSupport.gradientFaults("objective", float.sink, reference.gradients, tolerance: tolerance)
    return faults + (try evaluationFaults(run, example))
  }

  /// Without a sink there is the same loss; over parts of the batch the sums add up.
  private func evaluationFaults(_ run: ObjectiveRun, _ example: TrainingExample) throws -> [String] {
    var faults: [String] = []
    let scales = run.scales(example)
    let (plain, trained) = (run.run(example, scales: scales, gradient: false), run.run(example, scales: scales))
    if plain.losses != trained.losses {
      faults.append("the loss without a gradient is \(plain.losses), with one \(trained.losses)")
    }
    if run.run(example, scales: scales.map { 2 * $0 }).losses != trained.losses {
      faults.append("the loss sum depends on the scales")
    }
    let single = try (0..<2).map {
      run.run(run.objective.corrupt(try samples(1, from: 5 + UInt64($0)), context), scales: scales, gradient: false)
    }
    for term in trained.losses.indices {
      let sum = single[0].losses[term] + single[1].losses[term]
      guard run.objective.terms[term].isAdditive else {
        if mismatch("", [trained.losses[term]], [sum], tolerance: 1e-5) == nil {
          faults.append("term \(term) says that it is not additive over samples, and it is")
        }
        continue
      }
      if let fault = mismatch("loss of two samples, term \(term)", [trained.losses[term]], [sum], tolerance: 1e-5) {
        faults.append(fault)
      }
    }
    return faults
  }

  /// What networks choose keeps the counts and shapes that were stated before, leaves nothing to choose, and is what
  /// the loss is computed from.
  func lateFaults() throws -> [String] {
    let run = try run(3)
    let example = run.objective.corrupt(try samples(3), context)
    let settled = run.settled(example)
    var faults: [String] = []
    if settled.counts != example.counts {
      faults.append("counts are \(settled.counts) after the networks' choice, \(example.counts) were stated")
    }
    if settled.inputs.map(\.length) != example.inputs.map(\.length) {
      faults.append("lengths of inputs depend on the networks' choice")
    }
    if settled.late != nil { faults.append("a settled example leaves something to choose") }
    let scales = run.scales(example)
    let (late, early) = (run.run(example, scales: scales), run.run(settled, scales: scales))
    if late.losses != early.losses || late.sink.gradients != early.sink.gradients {
      faults.append("the loss is not that of the settled example")
    }
    return faults
  }

  /// A target of weight zero changes nothing, to the bit; one of weight one does.
  func weightFaults() throws -> [String] {
    let run = try run(2)
    let example = run.settled(run.objective.corrupt(try samples(2), context))
    return example.targets.indices.flatMap { term -> [String] in
      guard !example.targets[term].ids.isEmpty || !example.targets[term].values.isEmpty else { return [] }
      var (silent, scales) = (example, run.scales(example))
      scales = scales.map { $0 * 0.5 }
      silent.targets[term].weights[0] = 0
      let before = run.run(silent, scales: scales)
      let after = run.run(changed(silent, term), scales: scales)
      var faults: [String] = []
      if before.losses != after.losses || before.sink.gradients != after.sink.gradients {
        faults.append("term \(term): a target of weight zero changes the loss or a gradient")
      }
      // An L1 loss has another gradient only where the target goes past the prediction, so it is moved both ways.
      let loud = run.run(example, scales: scales)
      let moved = [4, -4].map { run.run(changed(example, term, by: $0), scales: scales) }
      if moved.allSatisfy({ $0.losses == loud.losses })
        || moved.allSatisfy({ $0.sink.gradients == loud.sink.gradients })
      {
        faults.append("term \(term): a target of weight one changes nothing")
      }
      if before.sink.gradients == loud.sink.gradients { faults.append("term \(term): a weight changes nothing") }
      return faults
    }
  }

  /// The example with another first target; a number is moved by `distance`.
  private func changed(_ example: TrainingExample, _ term: Int, by distance: Float = 4) -> TrainingExample {
    var result = example
    if !result.targets[term].ids.isEmpty { result.targets[term].ids[0] = 4 + (result.targets[term].ids[0] + 5) % 19 }
    // Without a weight a value may be anything.
    let place = result.targets[term].elementWeights.firstIndex { $0 > 0 } ?? 0
    if !result.targets[term].values.isEmpty { result.targets[term].values[place] += distance }
    return result
  }

  /// With all parameters zero the loss is the stated one.
  func trivialFaults() throws -> [String] {
    let run = try run(2)
    run.parameters.trained.all.fill(0)
    let example = run.objective.corrupt(try samples(2), context)
    let losses = run.run(example, scales: run.scales(example), gradient: false).losses
    return losses.indices.compactMap { term in
      guard let stated = run.objective.trivialLoss(term: term) else { return nil }
      return mismatch(
        "trivial loss of term \(term)", [losses[term] / example.counts[term]], [stated], tolerance: 4 * Tolerance.ulp)
    }
  }

  /// Plain gradient descent on one batch brings the loss of the terms that it can overfit far below the trivial one, or
  /// where none is stated, the first one.
  func overfitFaults() throws -> [String] {
    var model = model
    (model.hiddenSize, model.intermediateSize) = (24, 48)
    let run = ObjectiveRun(try make(model), samples: 2, length: model.maxPosition, seed: seed, deviation: 0.15)
    let example = run.objective.corrupt(try samples(2), context)
    let counted = example.targets.indices.filter { run.objective.canOverfit(term: $0) }
    let scales = run.scales(example).enumerated().map { counted.contains($0.offset) ? $0.element : 0 }
    func loss(_ sums: [Double]) -> Double { zip(sums, scales).reduce(0) { $0 + $1.0 * Double($1.1) } }
    let start = counted.reduce(0.0) { total, term in
      let first = run.run(example, scales: scales, gradient: false).losses[term] / example.counts[term]
      return total + run.objective.terms[term].weight * (run.objective.trivialLoss(term: term) ?? first)
    }
    for _ in 0..<400 { descend(run, example, scales) }
    let (end, least) = (
      loss(run.run(example, scales: scales, gradient: false).losses), run.objective.leastLoss(example)
    )
    return end - least < 0.1 * start && end > least - 1e-6
      ? [] : ["after 400 steps on one batch the loss is \(end); \(start) is trivial and \(least) the least"]
  }

  /// One step of gradient descent, the gradient's norm clipped to one.
  private func descend(_ run: ObjectiveRun, _ example: TrainingExample, _ scales: [Float]) {
    var g = run.run(example, scales: scales).sink.gradients
    for entry in run.parameters.trained.layout.entries where entry.spec.role != .trained {
      for i in entry.range { g[i] = 0 }
    }
    let norm = g.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let rate = type.overfitRate / max(1, norm)
    let p = run.parameters.trained.all
    for i in g.indices { p[i] -= rate * g[i] }
  }
}
