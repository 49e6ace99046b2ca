import Core
import Kernels
import Layers
import Objectives
import Tensors

// Corruption: a pure function of samples and context, which shows nothing of what it hides.
extension ObjectiveCheck {
  /// The same on every call, another one for other positions and seeds, and the same for a sample in any batch.
  func corruptionFaults() throws -> [String] {
    let (objective, batch) = (try make(), try samples(7))
    let whole = parts(objective.corrupt(batch, context), batch)
    var faults: [String] = []
    if whole != parts(try make().corrupt(batch, context), batch) { faults.append("two calls of corrupt differ") }
    for size in [1, 2, 3] {
      let grouped = try stride(from: 0, to: 7, by: size).flatMap { start in
        let group = try samples(min(size, 7 - start), from: 5 + UInt64(start))
        return parts(objective.corrupt(group, context), group)
      }
      if grouped != whole {
        faults.append("corruption of a sample depends on its batch: seven at once and \(size) at a time differ")
      }
    }
    let example = objective.corrupt(batch, context)
    if example.inputs.isEmpty || example.targets.count != objective.terms.count {
      faults.append(
        "an example has \(example.inputs.count) inputs and \(example.targets.count) targets for \(objective.terms.count) terms"
      )
    }
    if entry.defaultRequirements.attentionMask == .bidirectional {
      let other = StepContext(seed: seed &+ 1, step: 3, steps: 10)
      if whole == parts(objective.corrupt(batch, other), batch) {
        faults.append("corruption does not depend on the seed")
      }
      let evaluation = StepContext(seed: seed, step: 3, steps: 10, purpose: .evaluation)
      if whole == parts(objective.corrupt(batch, evaluation), batch) {
        faults.append("corruption ignores the context's purpose")
      }
      let again = try samples(7, from: 5 + UInt64(source.samplesPerEpoch))
      if whole == parts(objective.corrupt(again, context), again) {
        faults.append("a repeated sample has the same corruption")
      }
    }
    return faults
  }

  /// What belongs to each sample of an example, numbered inside the sample.
  private struct Part: Equatable {
    var inputs: [Input] = []
    var targets: [TermTargets] = []

    struct Input: Equatable {
      var length: Int
      var tokens: [Int32]
      var exportedNetworks: [Int32]
      var values: [Float]
      var positionIDs: [Int32]
      var first: [Int32]
      var end: [Int32]
      /// Visible keys of a decoder's rows.
      var visible: [UInt32]
    }
  }

  private func parts(_ example: TrainingExample, _ batch: SampleBatch) -> [Part] {
    (0..<batch.count).map { sample in
      Part(
        inputs: example.inputs.map { input($0, sample) },
        targets: example.targets.map { targets($0, sample * batch.length..<(sample + 1) * batch.length) })
    }
  }

  private func input(_ input: SequenceInput, _ sample: Int) -> Part.Input {
    func own<Element>(_ all: [Element]) -> [Element] {
      let size = all.count / input.sampleIDs.count
      return Array(all[sample * size..<(sample + 1) * size])
    }
    return .init(
      length: input.length, tokens: own(input.tokens), exportedNetworks: own(input.roleIDs), values: own(input.values),
      positionIDs: own(input.positionIDs),
      first: own(input.ranges.first), end: own(input.ranges.end), visible: own(input.visible?.words ?? []))
  }

  private func targets(_ all: TermTargets, _ range: Range<Int>) -> TermTargets {
    let k = all.rows.isEmpty ? 0 : all.values.count / all.rows.count
    let mine = all.rows.indices.filter { range.contains(all.rows[$0]) }
    return TermTargets(
      rows: mine.map { all.rows[$0] - range.lowerBound }, ids: all.ids.isEmpty ? [] : mine.map { all.ids[$0] },
      offsets: all.offsets.isEmpty ? [] : mine.map { all.offsets[$0] },
      values: mine.flatMap { all.values[$0 * k..<($0 + 1) * k] },
      elementWeights: all.elementWeights.isEmpty ? [] : mine.flatMap { all.elementWeights[$0 * k..<($0 + 1) * k] },
      weights: mine.map { all.weights[$0] })
  }

  /// Counts are sums of weights, or what the objective says instead; rows are distinct; there is one target and one
  /// weight per row.
  func countFaults() throws -> [String] {
    let batch = try samples(7)
    let objective = try make()
    let example = objective.corrupt(batch, context)
    return example.targets.enumerated().flatMap { term, t -> [String] in
      var faults: [String] = []
      let sum = t.weights.reduce(0) { $0 + Double($1) }
      let wanted = objective.wantedCount(term: term, t, batch)
      if example.counts[term] != wanted {
        faults.append("term \(term) counts \(example.counts[term]) instead of \(wanted)")
      }
      if !(sum > 0) { faults.append("term \(term) has no targets in seven samples") }
      let places = t.rows.indices.map { [t.rows[$0], t.offsets.isEmpty ? 0 : t.offsets[$0]] }
      if Set(places).count != t.rows.count { faults.append("term \(term) has a row twice") }
      if !t.offsets.isEmpty, t.offsets.count != t.rows.count {
        faults.append("term \(term) has \(t.offsets.count) offsets for \(t.rows.count) rows")
      }
      if t.weights.count != t.rows.count || t.weights.contains(where: { !($0 >= 0) }) {
        faults.append("term \(term) lacks weights")
      }
      if !t.ids.isEmpty, t.ids.count != t.rows.count {
        faults.append("term \(term) has \(t.ids.count) ids for \(t.rows.count) rows")
      }
      if !t.values.isEmpty, t.values.count % t.rows.count != 0 { faults.append("term \(term) has ragged values") }
      for row in t.rows
      where !batch.values.isEmpty || batch.documentIDs[row / batch.length * batch.stride + row % batch.length] >= 0 {
        if row < 0 || row >= batch.count * batch.length { faults.append("term \(term) has a target at row \(row)") }
      }
      return faults + paddingFaults(term, t, batch)
    }
  }

  private func paddingFaults(_ term: Int, _ t: TermTargets, _ batch: SampleBatch) -> [String] {
    t.rows.filter { batch.documentIDs[$0 / batch.length * batch.stride + $0 % batch.length] < 0 }
      .map { "term \(term) has a target at padding, row \($0)" }
  }

  /// Special tokens are shown as they are, and never predicted by an objective that hides tokens.
  func specialFaults() throws -> [String] {
    let batch = try samples(40, from: 0)
    guard !batch.tokens.isEmpty else { return [] }
    let example = try make().corrupt(batch, context)
    let special = Set(vocabulary.special)
    var faults: [String] = []
    for row in 0..<batch.count * batch.length {
      let clean = batch.tokens[row / batch.length * batch.stride + row % batch.length]
      let shown = example.inputs[0].tokens[row]
      if special.contains(clean), shown != clean {
        faults.append("special token \(clean) at row \(row) is shown as \(shown)")
      }
      if !special.contains(clean), special.contains(shown), shown != vocabulary.mask {
        faults.append("token \(clean) at row \(row) was replaced by the special \(shown)")
      }
    }
    if entry.defaultRequirements.attentionMask == .bidirectional {
      let hidden = Set(try make().hiddenPositions(example, vocabulary).map { $0.sample * batch.length + $0.position })
      for row in hidden where special.contains(batch.tokens[row / batch.length * batch.stride + row % batch.length]) {
        faults.append("the special token at row \(row) is hidden")
      }
      // The first term is the one that predicts hidden tokens.
      for row in example.targets[0].rows
      where special.contains(batch.tokens[row / batch.length * batch.stride + row % batch.length]) {
        faults.append("the special token at row \(row) is a target")
      }
    }
    return faults
  }

  /// Hidden states do not move when something changes that they must not see, to the bit; and they do move otherwise.
  func leakFaults() throws -> [String] {
    let batch = try samples(3)
    let run = try run(3)
    // Networks that choose what is hidden see the samples: auxiliary networks of zeros choose the same for any.
    if run.objective.corrupt(batch, context).late != nil {
      for auxiliary in run.objective.networks.auxiliaries { run.parameters.auxiliary(auxiliary.name).all.fill(0) }
    }
    let clean = run.settled(run.objective.corrupt(batch, context))
    let states = run.hidden(clean)
    return entry.defaultRequirements.attentionMask == .causal
      ? causalLeaks(run, batch, clean, states) : hiddenLeaks(run, batch, clean, states)
  }

  private func causalLeaks(_ run: ObjectiveRun, _ batch: SampleBatch, _ clean: TrainingExample, _ states: [Float])
    -> [String]
  {
    let (length, width) = (batch.length, model.hiddenSize)
    let hidden = Set(run.objective.hiddenPositions(clean, vocabulary).map { $0.sample * length + $0.position })
    return (0..<length).flatMap { j -> [String] in
      let changed = run.hidden(run.settled(run.objective.corrupt(altered(batch, sample: 1, position: j), context)))
      let moved = (0..<batch.count * length).filter { row in
        (0..<width).contains { states[row * width + $0] != changed[row * width + $0] }
      }
      var faults = moved.filter { $0 < length + j || $0 >= 2 * length }.map {
        "changing position \(j) of sample 1 moves row \($0) of all"
      }
      if hidden.contains(length + j) {
        if !moved.isEmpty { faults.append("the value at hidden position \(j) of sample 1 leaks") }
      } else if !moved.contains(length + j) {
        faults.append("changing position \(j) of sample 1 moves nothing there")
      }
      return faults
    }
  }

  private func hiddenLeaks(_ run: ObjectiveRun, _ batch: SampleBatch, _ clean: TrainingExample, _ states: [Float])
    -> [String]
  {
    let hidden = run.objective.hiddenPositions(clean, vocabulary)
    var faults = hidden.isEmpty ? ["nothing is hidden in three samples"] : []
    for place in hidden {
      let other = altered(batch, sample: place.sample, position: place.position)
      let changed = run.hidden(run.settled(run.objective.corrupt(other, context)))
      if states != changed {
        faults.append("the value at hidden position \(place.position) of sample \(place.sample) leaks")
      }
    }
    let seen = (0..<batch.length).first { position in
      batch.documentIDs[position] >= 0 && run.objective.isRead(position)
        && !hidden.contains { $0 == (0, position) } && !clean.targets[0].rows.contains(position)
    }
    let other = seen.map { altered(batch, sample: 0, position: $0) }
    if let seen, let other, states == run.hidden(run.settled(run.objective.corrupt(other, context))) {
      faults.append("the value at visible position \(seen) moves nothing")
    }
    return faults
  }

  /// The batch with another ordinary token, or other values, in one place.
  private func altered(_ batch: SampleBatch, sample: Int, position: Int) -> SampleBatch {
    var result = batch
    if batch.tokens.isEmpty {
      for k in 0..<batch.valueSize { result.values[(sample * batch.length + position) * batch.valueSize + k] += 1 }
    } else {
      let index = sample * batch.stride + position
      result.tokens[index] = 4 + (batch.tokens[index] + 3) % 19
    }
    return result
  }
}
