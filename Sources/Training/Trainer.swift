import Collectives
import Core
import Kernels
import Machine
import Objectives
import Optimizers
import Tensors

/// What one optimiser step gave. Everything but the seconds is the same bits on any ranks and threads.
public struct StepOutcome: Sendable {
  public let step: Int
  /// Loss of each term, Σ w·ℓ / Σ w over the whole batch, in the order of the objective's terms.
  public let termLosses: [Double]
  /// Σ λ · term loss.
  public let loss: Double
  /// Σ w of each term.
  public let counts: [Double]
  /// Loss sums of each micro-batch, by term: what replay checks.
  public let microBatchLosses: [[Double]]
  /// Global norm before clipping.
  public let gradNorm: Double
  public let learningRate: Double
  /// How often the step was taken again: a gradient did not fit its exponent, or a replica had to be repaired.
  public let repeats: Int
  /// What was wrong with replicas and has been repaired.
  public let repaired: [ReplicaFault]
  public let seconds: [(phase: String, seconds: Double)]
  public let stepSeconds: Double
  /// Seconds of waiting, as means over ranks.
  public let waits: StepWaits
  /// Some rank was asked to stop before this step began; all ranks learn it here.
  public let stopRequested: Bool
  /// Some rank asked for a checkpoint before this step began; all ranks learn it here.
  public let saveRequested: Bool
  /// The samples this rank trained on in the try that was accepted.
  public let samples: SampleDigest
  /// No position of the batch had a target: nothing was updated, and losses are NaN.
  public let isSkipped: Bool
}

/// The settings of a trainer that are not the model's or the objective's.
public struct TrainerOptions: Sendable {
  public var seed: UInt64
  public var steps: Int
  public var optimizer: AdamWOptions
  public var schedule: LearningRateSchedule
  public var sum: SumArithmetic
  public var bucketBytes: Int
  public var divergence: DivergencePolicy

  public init(
    seed: UInt64 = 1, steps: Int, optimizer: AdamWOptions = AdamWOptions(),
    schedule: LearningRateSchedule = LearningRateSchedule(),
    sum: SumArithmetic = .exact, bucketBytes: Int = 4 << 20, divergence: DivergencePolicy = .repair
  ) {
    (self.seed, self.steps, self.optimizer) = (seed, steps, optimizer)
    (self.schedule, self.sum, self.bucketBytes, self.divergence) = (schedule, sum, bucketBytes, divergence)
  }
}

/// The line itself: corruption → forward → loss → backward → sum over ranks → optimiser, one step per call.
public final class Trainer {
  public let objective: any Objective
  public let parameters: ParameterSet
  public let optimizer: AdamW
  public let sum: GradientSum
  public let plan: BatchPlan
  public var options: TrainerOptions
  public let communicator: any Communicator
  public let pool: WorkerPool
  public let workers: [Worker]
  private let reducer: GradientReducer
  private let statistics: GradientStatistics
  private let counts: MicroBatchTable
  let losses: MicroBatchTable
  /// nil where there is nothing to compare with.
  let replicas: ReplicaCheck?
  /// Steps since the beginning of the run that had no target; AdamW's bias correction counts the others.
  public var skippedSteps = 0
  public var skippedInARow = 0

  /// Takes all memory a run needs, before the first step. Collective.
  public init(
    _ objective: any Objective, length: Int, plan: BatchPlan, options: TrainerOptions, communicator: any Communicator
  ) throws(CollectiveError) {
    BLAS.useOneThread()
    self.objective = objective
    self.plan = plan
    self.options = options
    self.communicator = communicator
    parameters = ParameterSet(objective.networks)
    optimizer = AdamW(options.optimizer, objective.networks.trained)
    let layout = objective.networks.trained
    let node = options.sum == .exact ? try communicator.shareMemory(bytes: GradientSum.nodeBytes(layout)) : nil
    let sum = GradientSum(layout, arithmetic: options.sum, node: node)
    self.sum = sum
    reducer = GradientReducer(sum, communicator, bucketBytes: options.bucketBytes)
    statistics = GradientStatistics(objective.networks.trained)
    // Messages move only inside calls of MPI: the main thread makes them while another one computes.
    let sendsMessages = communicator.size > 1 && !sum.isShared
    pool = WorkerPool(threads: plan.threads, separate: sendsMessages)
    workers = (0..<plan.threads).map { _ in Worker(objective, samples: plan.microBatch, length: length, sum: sum) }
    // Two rows more than micro-batches: how many ranks were asked to stop, and to save.
    counts = MicroBatchTable(rows: plan.microBatchCount + 2, columns: objective.terms.count)
    losses = MicroBatchTable(rows: plan.microBatchCount, columns: objective.terms.count)
    replicas = communicator.size > 1 && options.divergence != .off ? ReplicaCheck(parameters, optimizer) : nil
    if plan.threads == 1, !sendsMessages { workers[0].sink?.progress = { [reducer] in reducer.poll() } }
  }

  deinit { pool.stop() }

  /// Calls `body` whenever the thread of a trainer of one rank and one thread has handed over a gradient.
  public func onProgress(_ body: @escaping () -> Void) { workers[0].sink?.progress = body }

  /// The examples of this rank for step `step`: a pure function, safe on another thread.
  public static func examples(
    step: Int, rank: Int, plan: BatchPlan, objective: any Objective, source: any SampleSource, context: StepContext
  ) throws -> [TrainingExample] {
    try plan.microBatches(of: rank).map {
      let samples = try source.samples(at: plan.positions(step: step, microBatch: $0))
      var example = objective.corrupt(samples, context)
      example.samples = samples.digest
      return example
    }
  }

  public func context(_ step: Int) -> StepContext { StepContext(seed: options.seed, step: step, steps: options.steps) }

  /// One optimiser step over the batch whose micro-batches on this rank are `examples`.
  ///
  /// A batch without any target is skipped: nothing is updated, on any rank.
  ///
  /// - Throws: on every rank alike, `DataError` when no step has had a target for too long, `NumericsError` when a
  ///   gradient is not finite and `ReplicaError` when replicas differ and are not repaired; `CollectiveError` when MPI
  ///   fails or a rank has stalled. Parameters are then as before the step.
  ///
  /// - Parameter dataSeconds: how long this rank has waited for the examples, for the report.
  public func step(
    _ step: Int, _ examples: [TrainingExample], stopRequested: Bool = false, saveRequested: Bool = false,
    dataSeconds: Double = 0
  ) throws -> StepOutcome {
    var timer = StepTimer()
    enter("count", step)
    let mine = plan.microBatches(of: communicator.rank)
    let (totals, requests) = try countTargets(examples, mine, [stopRequested, saveRequested])
    timer.mark("count")
    guard totals.contains(where: { $0 > 0 }) else { return try skip(step, examples, mine, totals, requests, timer) }
    skippedInARow = 0
    let scales = lossScales(totals)
    var (sums, repairs) = (StepSums(), 0)
    // Read with the exponents it was summed with; the next step's are set while it is still needed.
    var summed = gradients
    while true {
      enter("forward and backward", step)
      forwardAndBackward(step, examples, first: mine.lowerBound, scales: scales)
      timer.mark("forward and backward")
      enter("sum over ranks", step)
      let outcome = try reducer.finish { replicas?.hashNextWeights() ?? false }
      sums.communication += reducer.communicationSeconds
      sums.exposed += reducer.exposedSeconds
      sums.waits = StepWaits([sums.communication, sums.exposed, dataSeconds])
      timer.mark("sum over ranks")
      enter("comparing replicas", step)
      summed = gradients
      measure(summed)
      let faults: [ReplicaFault]
      (sums.losses, faults) = try compare(step, &sums.waits)
      sums.repaired += faults
      timer.mark("norm and replicas")
      if !faults.isEmpty { try checkRepairs(step, faults, &repairs) }
      // What a faulty replica gave is dropped before anything is concluded from it.
      if faults.isEmpty, try accept(outcome, step: step, repeats: sums.repeats),
        !sum.updateExponents(largest: statistics.largestByEntry)
      {
        break
      }
      sums.repeats += 1
    }
    enter("optimizer", step)
    let rate = options.schedule.rate(step: step, of: options.steps, peak: options.optimizer.learningRate)
    update(optimizer.factors(step: step - skippedSteps, learningRate: rate, norm: statistics.norm), summed)
    withFlushedDenormals { objective.afterStep(parameters.trained, context(step)) }
    parameters.afterStep(context(step)) { [pool] in pool.forEach($0, $1) }
    timer.mark("optimizer")
    enter("after the step", step)
    return outcome(step, sums, totals, rate: rate, requests, timer)
  }

  private func enter(_ phase: String, _ step: Int) { communicator.phase = Phase(step: step, phase) }

  /// Σ w of each term over the whole batch, and for each request whether any rank has it.
  public func countTargets(_ examples: [TrainingExample], _ mine: Range<Int>, _ requests: [Bool]) throws -> (
    [Double], [Bool]
  ) {
    counts.clear()
    for (example, index) in zip(examples, mine) { counts.set(index, example.counts) }
    let terms = objective.terms.count
    for (i, request) in requests.enumerated() {
      counts.set(plan.microBatchCount + i, [Double](repeating: request ? 1 : 0, count: terms))
    }
    let rows = try counts.gather(communicator)
    let totals = rows.prefix(plan.microBatchCount).reduce([Double](repeating: 0, count: terms)) {
      zip($0, $1).map { $0 + $1 }
    }
    return (totals, rows.dropFirst(plan.microBatchCount).map { $0.contains { $0 > 0 } })
  }

  /// λ / count for each term; 0 for a term without any target, which then contributes nothing.
  public func lossScales(_ totals: [Double]) -> [Float] {
    zip(objective.terms, totals).map { term, total in total > 0 ? Float(term.weight / total) : 0 }
  }

  private func forwardAndBackward(_ step: Int, _ examples: [TrainingExample], first: Int, scales: [Float]) {
    sum.begin(willWork: !examples.isEmpty)
    reducer.begin()
    losses.clear()
    let (plan, rank, workers, losses, objective, parameters) = (
      plan, communicator.rank, workers, losses, objective, parameters
    )
    let dropout = CounterGenerator(seed: options.seed, purpose: .dropout)
    for (thread, worker) in workers.enumerated() {
      worker.trained = SampleDigest()
      worker.sink?.begin(willWork: !plan.share(of: thread, rank: rank).isEmpty)
    }
    // With one rank there is nothing to send, and the threads are not to be disturbed.
    pool.run(whileWaiting: communicator.size > 1 ? { [reducer] in reducer.poll() } : nil) { thread in
      let (worker, share) = (workers[thread], plan.share(of: thread, rank: rank))
      let pass = ObjectivePass(parameters, sink: worker.sink, dropout: dropout)
      for index in share {
        worker.sink?.beginMicroBatch(isLast: index == share.upperBound - 1)
        let sums = Trace.span("micro-batch \(first + index)", thread: thread + 1) {
          objective.lossAndGradient(examples[index], pass, scales: scales, worker.workspace)
        }
        losses.set(first + index, sums)
        worker.sink?.endMicroBatch()
        worker.trained &+= examples[index].samples.trained(asMicroBatch: step * plan.microBatchCount + first + index)
      }
    }
  }

  /// Whether the summed gradients can be used. The same on every rank, because the outcome is.
  private func accept(_ outcome: GradientReducer.Outcome, step: Int, repeats: Int) throws -> Bool {
    switch outcome {
    case .complete: return true
    case .notFinite(let entries):
      throw NumericsError(
        "step \(step): the gradient of \(names(entries)) is not finite. Lower the learning rate, lengthen the warm-up, or look at the data of this step."
      )
    case .overflow(let entries):
      guard repeats < 16 else {
        throw NumericsError("step \(step): the gradient of \(names(entries)) grows without bound.")
      }
      sum.lowerExponents(of: entries)
      return false
    }
  }

  private func names(_ entries: [Int]) -> String {
    let all = entries.map { sum.layout.entries[$0].name }
    return all.prefix(3).joined(separator: ", ") + (all.count > 3 ? " and \(all.count - 3) more tensors" : "")
  }

  private var gradients: SummedGradients {
    switch sum.arithmetic {
    case .float: .float(sum.floats)
    case .exact:
      communicator.size > 1
        ? .rounded(sum.floatsOverRanks)
        : .exact(sum.integers, inverseScales: sum.layout.entries.indices.map(sum.inverseScale))
    }
  }

  /// The blocks of the global norm and the largest gradient of each tensor, into `statistics`; and what is left of the
  /// weights' hashes.
  private func measure(_ gradients: SummedGradients) {
    let work = Gradients(gradients)
    let statistics = statistics
    pool.forEach(statistics.slices.count) { statistics.measure($0, work.value) }
    replicas?.hashRemainingWeights(pool)
    replicas?.hashAuxiliaries(pool)
  }

  private func update(_ factors: AdamWFactors, _ gradients: SummedGradients) {
    let work = Gradients(gradients)
    let (slices, optimizer, parameters, replicas) = (statistics.slices, optimizer, parameters.trained, replicas)
    pool.forEach(slices.count) {
      let hashes = optimizer.update(slices[$0], parameters, work.value, factors, hashing: replicas != nil)
      replicas?.note(hashes, slice: $0)
    }
  }

  private func outcome(
    _ step: Int, _ sums: StepSums, _ totals: [Double], rate: Double, _ requests: [Bool], _ timer: StepTimer
  ) -> StepOutcome {
    let losses = sums.losses.reduce([Double](repeating: 0, count: totals.count)) { zip($0, $1).map { $0 + $1 } }
    let terms = zip(losses, totals).map { $1 > 0 ? $0 / $1 : 0 }
    let loss = zip(terms, objective.terms).reduce(0) { $0 + $1.0 * $1.1.weight }
    return StepOutcome(
      step: step, termLosses: terms, loss: loss, counts: totals, microBatchLosses: sums.losses,
      gradNorm: statistics.norm, learningRate: rate,
      repeats: sums.repeats, repaired: sums.repaired, seconds: timer.seconds, stepSeconds: timer.total,
      waits: sums.waits,
      stopRequested: requests[0], saveRequested: requests[1],
      samples: workers.reduce(SampleDigest()) { $0 &+ $1.trained }, isSkipped: false)
  }
}

/// What the sums of a step gave, over all its repeats.
private struct StepSums {
  /// Of every micro-batch, by term.
  var losses: [[Double]] = []
  var repeats = 0
  /// Of this rank.
  var (communication, exposed) = (0.0, 0.0)
  /// Of all ranks.
  var waits = StepWaits()
  var repaired: [ReplicaFault] = []
}

/// Summed gradients on their way to threads that each read and clear their own slices.
private struct Gradients: @unchecked Sendable {
  // Sendable: slices are disjoint and the main thread waits for all of them.
  let value: SummedGradients

  init(_ value: SummedGradients) { self.value = value }
}
