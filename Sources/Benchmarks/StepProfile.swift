import Collectives
import Core
import Kernels
import Objectives
import Optimizers
import Tensors
import Training

/// What a step of a configuration is made of on this machine: what `lockstep plan` predicts other jobs from.
public struct StepProfile: Codable, Sendable {
  /// Computing threads that ran at the same time.
  public var threads: Int
  /// Seconds of forward and backward of one micro-batch while all threads compute.
  public var microBatchS: Double
  /// Seconds of everything behind the sum over ranks, for one rank with all threads: norm and update.
  public var updateS: Double
  /// For each tensor in layout order, the share of a micro-batch's time after which its gradient is complete.
  public var readiness: [Double]
  /// The end of each tensor in the layout.
  public var ends: [Int]
  /// Seconds in which a core adds and rounds one integer of one rank.
  public var addS: Double

  /// A profile of known parts.
  public init(
    threads: Int, microBatchS: Double, updateS: Double, readiness: [Double], ends: [Int], addS: Double
  ) {
    (self.threads, self.microBatchS, self.updateS) = (threads, microBatchS, updateS)
    (self.readiness, self.ends, self.addS) = (readiness, ends, addS)
  }

  /// Measures on this process alone: `steps` steps with every thread, then `steps` micro-batches on one.
  public static func measure(
    _ make: () throws -> any Objective, length: Int, microBatch: Int, threads: Int, source: any SampleSource,
    steps: Int = 3
  ) throws -> StepProfile {
    let (busy, update) = try busySeconds(
      make(), length: length, microBatch: microBatch, threads: threads, source: source, steps: steps)
    let (readiness, ends) = try timeline(
      make(), length: length, microBatch: microBatch, source: source, steps: steps)
    return StepProfile(
      threads: threads, microBatchS: busy, updateS: update, readiness: readiness, ends: ends, addS: addSeconds())
  }

  private static func makeTrainer(
    _ objective: any Objective, length: Int, plan: BatchPlan
  ) throws -> Trainer {
    var options = TrainerOptions(steps: 100)
    options.schedule = LearningRateSchedule(type: .constant)
    options.optimizer.learningRate = 1e-5
    let trainer = try Trainer(objective, length: length, plan: plan, options: options, communicator: SingleRank())
    trainer.parameters.initialize(seed: 1)
    return trainer
  }

  /// Medians over steps of the seconds of a micro-batch, and of norm and update.
  private static func busySeconds(
    _ objective: any Objective, length: Int, microBatch: Int, threads: Int, source: any SampleSource, steps: Int
  ) throws -> (microBatch: Double, update: Double) {
    let plan = BatchPlan(batch: microBatch * threads, microBatch: microBatch, ranks: 1, threads: threads)
    let trainer = try makeTrainer(objective, length: length, plan: plan)
    var times: [(Double, Double)] = []
    // The first step is taken twice, for exponents, and touches all memory.
    for step in 0..<steps + 1 {
      let examples = try Trainer.examples(
        step: step, rank: 0, plan: plan, objective: objective, source: source, context: trainer.context(step))
      let outcome = try trainer.step(step, examples)
      let phases = Dictionary(outcome.seconds.map { ($0.phase, $0.seconds) }, uniquingKeysWith: +)
      if step > 0 { times.append((phases["forward and backward"] ?? 0, outcome.stepSeconds)) }
    }
    let compute = times.map(\.0).sorted()[times.count / 2]
    let rest = times.map { $0.1 - $0.0 }.sorted()[times.count / 2]
    return (compute, rest)
  }

  /// When each tensor's gradient is complete, as a share of a micro-batch's time.
  private static func timeline(
    _ objective: any Objective, length: Int, microBatch: Int, source: any SampleSource, steps: Int
  ) throws -> (readiness: [Double], ends: [Int]) {
    let plan = BatchPlan(batch: microBatch, microBatch: microBatch, ranks: 1, threads: 1)
    let trainer = try makeTrainer(objective, length: length, plan: plan)
    let layout = trainer.sum.layout
    let ends = layout.entries.indices.map { layout.end(of: $0) }
    var shares = [[Double]](repeating: [], count: ends.count)
    let recorder = ProgressRecorder(trainer.sum)
    trainer.onProgress { recorder.note() }
    for step in 0..<steps + 1 {
      let examples = try Trainer.examples(
        step: step, rank: 0, plan: plan, objective: objective, source: source, context: trainer.context(step))
      recorder.begin()
      _ = try trainer.step(step, examples)
      guard step > 0, let last = recorder.points.last else { continue }
      for (entry, end) in ends.enumerated() {
        let point = recorder.points.first { $0.completed >= end } ?? last
        shares[entry].append(point.seconds / last.seconds)
      }
    }
    return (shares.map { $0.sorted()[$0.count / 2] }, ends)
  }

  /// Notes how much of the gradient is complete, and when.
  private final class ProgressRecorder {
    private let sum: GradientSum
    private var start = ContinuousClock.now
    private(set) var points: [(seconds: Double, completed: Int)] = []

    init(_ sum: GradientSum) { self.sum = sum }

    func begin() { (start, points) = (.now, []) }
    func note() { points.append(((ContinuousClock.now - start).inSeconds, sum.completed)) }
  }

  /// A sum of two ranks' integers, as `NodeSum` adds them.
  private static func addSeconds() -> Double {
    let count = 1 << 20
    let a = allocate(Int64.self, count: 2 * count)
    let arena = Arena(floats: count)
    defer { a.deallocate() }
    a.initialize(repeating: 1, count: 2 * count)
    let floats = arena.matrix(1, count)
    var best = Double.infinity
    for _ in 0..<5 {
      let start = ContinuousClock.now
      roundExactSum(of: a, ranks: 2, count: count, range: 0..<count, inverse: 1, into: floats.base)
      best = min(best, (ContinuousClock.now - start).inSeconds)
    }
    return best / Double(2 * count)
  }
}
