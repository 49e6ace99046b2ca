import Checkpoints
import Collectives
import Configuration
import Core
import Layers
import Machine
import Metrics
import Objectives
import Runs
import Tensors
import Training

/// Rebuilds one past step of a run, by the trainer that ran it, and holds it against what was recorded.
///
/// Begins at the nearest intact checkpoint before the step, or at the beginning of the run, and writes nothing. On any
/// ranks and threads the result is the same.
public final class Replay {
  private let run: TrainingRun
  /// Of rank 0.
  private let past: PastRun?
  private let communicator: any Communicator
  private let warn: (String) -> Void
  private let report: (String) -> Void
  private let meters: WorkMeters?
  private var trainer: Trainer { run.trainer }

  /// - Parameters:
  ///   - past: the run's folder; nil on all ranks but 0.
  ///   - warn: gets a sentence for each checkpoint that could not be used.
  ///   - report: gets a sentence with what there is to do, before it is done.
  ///   - meters: show how far it is.
  public init(
    _ past: PastRun?, _ configuration: RunConfiguration, _ inputs: RunInputs, communicator: any Communicator,
    threads: Int,
    warn: @escaping (String) -> Void = { _ in }, report: @escaping (String) -> Void = { _ in },
    meters: WorkMeters? = nil
  ) throws {
    (self.past, self.communicator, self.warn, self.report, self.meters) = (past, communicator, warn, report, meters)
    run = try TrainingRun(
      configuration, inputs, communicator: communicator, threads: threads, .init(keepsRecord: false))
  }

  /// Computes step `step` (the one that ends with so many finished steps) again. Collective.
  ///
  /// - Returns: the report, whose checks are rank 0's, and whether all of them hold, on every rank.
  public func callAsFunction(step: Int) throws -> (report: ReplayReport, matches: Bool) {
    let arithmetic = Arithmetic.current()
    try arithmetic.requireEqual(over: communicator)
    try run.requireEqualData()
    let first = try run.load(past?.nearestCheckpoint(step - 1, warn: warn))
    let planned = try plannedSteps(first..<step)
    if let past, past.isLogLost {
      warn("\(past.folder.metricsPath) is missing, so nothing can be compared with the log of the run")
    }
    if let past { report(Self.announcement(step: step, from: first, past)) }
    let meter = meters?.start("replay", total: step - first, unit: "steps")
    defer { meter?.finish() }
    var checks: [ReplayReport.Check] = []
    for (index, steps) in zip(first..<step - 1, planned) {
      trainer.options.steps = steps
      let outcome = try trainer.step(index, try examples(index))
      if let record = past?.records[index + 1] { checks += ReplayReport.Check.all(record, outcome) }
      meter?.advance()
    }
    trainer.options.steps = planned.last ?? run.steps
    let examples = try examples(step - 1)
    let measured = try measure(examples, step: step - 1)
    let outcome = try trainer.step(step - 1, examples)
    checks += try check(outcome, step: step)
    checks += consistency(measured, outcome, step: step)
    let difference = try past?.arithmetic(of: step - 1).flatMap { arithmetic.difference(from: $0) }
    let report = ReplayReport(
      step: step, rebuiltFrom: first, terms: trainer.objective.terms.map(\.name), termLosses: outcome.termLosses,
      loss: outcome.loss,
      gradNorm: outcome.gradNorm, learningRate: outcome.learningRate, microBatches: measured.microBatches,
      checks: checks,
      nextRecorded: past?.nextRecorded(after: step), arithmeticDifference: difference)
    return (report, try communicator.sum(report.matches ? 0 : 1) == 0)
  }

  /// What a replay will do, and which steps near it are cheaper.
  static func announcement(step: Int, from first: Int, _ past: PastRun) -> String {
    let place = first == 0 ? "the beginning of the run" : "the checkpoint of step \(first)"
    let sentence = "replaying step \(step): \(counted(step - first, "step")) from \(place)"
    guard step - first > 1, let cheap = past.cheapSteps.last(where: { $0 < step }) else { return sentence }
    return sentence + "; step \(cheap), right after a checkpoint, takes one"
  }

  /// As each of the steps was planned by the start that ran it: what rank 0 knows, on every rank.
  private func plannedSteps(_ steps: Range<Int>) throws -> [Int] {
    var planned = steps.map { Int64(past?.plannedSteps(of: $0, else: run.steps) ?? 0) }
    try communicator.broadcastArray(&planned)
    return planned.map(Int.init)
  }

  private func examples(_ step: Int) throws -> [TrainingExample] {
    try Trainer.examples(
      step: step, rank: communicator.rank, plan: trainer.plan, objective: trainer.objective,
      source: run.inputs.training,
      context: trainer.context(step))
  }

  // MARK: - Measuring

  private struct Measured {
    var microBatches: [ReplayReport.MicroBatch]
    /// Rows of each term in the batch, and of those the rows that were reported by sample.
    var rows: [Double]
    var reported: [Double]
  }

  /// Every micro-batch alone, distributed to ranks as in the step. Collective.
  private func measure(_ examples: [TrainingExample], step: Int) throws -> Measured {
    let (plan, terms) = (trainer.plan, trainer.objective.terms.count)
    let mine = plan.microBatches(of: communicator.rank)
    let (totals, _) = try trainer.countTargets(examples, mine, [])
    let scales = trainer.lossScales(totals)
    // A row of loss sums, norm, rows and reported rows for each micro-batch; of counts and loss sums for each sample.
    let (batches, samples) = (
      MicroBatchTable(rows: plan.microBatchCount, columns: 3 * terms + 1),
      MicroBatchTable(rows: plan.batch, columns: 2 * terms)
    )
    let probe = MicroBatchProbe(trainer)
    for (example, index) in zip(examples, mine) {
      let found = try probe.measure(example, scales: scales)
      let rows = example.targets.map { Double($0.rows.count) }
      batches.set(index, found.losses + [found.gradNorm] + rows + found.samples.rows.map(Double.init))
      for sample in 0..<plan.microBatch {
        samples.set(index * plan.microBatch + sample, found.samples.counts[sample] + found.samples.sums[sample])
      }
    }
    return try collect(try batches.gather(communicator), try samples.gather(communicator), step: step)
  }

  private func collect(_ batches: [[Double]], _ samples: [[Double]], step: Int) throws -> Measured {
    let (plan, terms) = (trainer.plan, trainer.objective.terms.count)
    func total(_ column: Int) -> Double { batches.reduce(0) { $0 + $1[column] } }
    let rows = (0..<terms).map { total(terms + 1 + $0) }
    let reported = (0..<terms).map { total(2 * terms + 1 + $0) }
    let microBatches = try batches.enumerated().map { index, batch in
      let read = try run.inputs.training.samples(at: plan.positions(step: step, microBatch: index))
      let own = (0..<plan.microBatch).map { i in
        let values = samples[index * plan.microBatch + i]
        func known(_ column: Int, _ term: Int) -> Double? { reported[term] == rows[term] ? values[column + term] : nil }
        return ReplayReport.Sample(
          position: read.sampleIDs[i], index: read.indices[i], counts: (0..<terms).map { known(0, $0) },
          losses: (0..<terms).map { known(terms, $0) })
      }
      return ReplayReport.MicroBatch(index: index, losses: Array(batch[..<terms]), gradNorm: batch[terms], samples: own)
    }
    return Measured(microBatches: microBatches, rows: rows, reported: reported)
  }

  // MARK: - Checking

  /// Against the log and the checkpoint of the step, where there are such.
  private func check(_ outcome: StepOutcome, step: Int) throws -> [ReplayReport.Check] {
    guard let past else { return [] }
    var checks = past.records[step].map { ReplayReport.Check.all($0, outcome) } ?? []
    guard let saved = past.checkpoint(step) else { return checks }
    let different = try saved.firstDifference(
      model: run.model, parameters: trainer.parameters.trained, moments: run.moments, auxiliary: run.auxiliaries)
    checks.append(
      .init(step, .checkpoint, "tensors", "all tensors", different.map { "other bits in \($0)" } ?? "all tensors"))
    let exponents = Dictionary(uniqueKeysWithValues: zip(trainer.sum.layout.entries.map(\.name), trainer.sum.exponents))
    let other = exponents.keys.sorted().first { exponents[$0] != saved.state.gradientScales[$0] }
    checks.append(.init(step, .checkpoint, "gradient_scales", "all", other.map { "another of \($0)" } ?? "all"))
    return checks
  }

  /// The parts against the whole: micro-batches bit for bit, samples to rounding.
  ///
  /// A micro-batch's loss and its samples' losses are sums of the same n row losses in double precision, in two
  /// groupings. Each is within (n - 1) · 2⁻⁵³ · Σ|ℓ| of the exact sum, so they differ by at most twice that.
  private func consistency(_ measured: Measured, _ outcome: StepOutcome, step: Int) -> [ReplayReport.Check] {
    var checks: [ReplayReport.Check] = []
    let alone = measured.microBatches.map(\.losses)
    let other = alone.indices.first { alone[$0].map(\.bitPattern) != outcome.microBatchLosses[$0].map(\.bitPattern) }
    checks.append(
      .init(
        step, .parts, "micro-batches alone", "as in the step",
        other.map { "micro-batch \($0) differs" } ?? "as in the step"))
    for (term, name) in trainer.objective.terms.map(\.name).enumerated()
    where measured.reported[term] == measured.rows[term] {
      let whole = outcome.microBatchLosses.reduce(0) { $0 + $1[term] }
      let parts = measured.microBatches.flatMap(\.samples).compactMap { $0.losses[term] }
      let bound = 2 * measured.rows[term] * 0x1p-53 * parts.reduce(0) { $0 + abs($1) }
      let sum = parts.reduce(0, +)
      checks.append(
        .init(
          step: step, against: .parts, what: "sum of samples, \(name)", recorded: whole.description,
          computed: sum.description,
          matches: abs(sum - whole) <= bound))
    }
    return checks
  }
}
