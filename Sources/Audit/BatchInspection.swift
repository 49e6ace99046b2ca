import Checkpoints
import Collectives
import Configuration
import Core
import Kernels
import Layers
import Objectives
import Runs
import Tokenizers
import Training

/// Makes the micro-batches of a run's steps again, by the sources and the objective that the run uses.
public struct BatchInspection {
  private let past: PastRun
  private let configuration: RunConfiguration
  private let inputs: RunInputs
  /// The training samples as steps read them, texts repeated where the objective asks for it.
  private let samples: any SampleSource
  private let objective: any Objective
  /// Nil where inputs are numbers.
  private let tokenizer: (any Tokenizer)?
  private let plan: BatchPlan
  private let steps: Int

  /// - Throws: `DataError` when the corpus is not that of the run.
  public init(_ past: PastRun, _ configuration: RunConfiguration) throws {
    let inputs = try CorpusInputs.open(configuration)
    let tokenizer = inputs.data.grid == nil ? try TokenizerLoader.load(configuration.data.corpus) : nil
    try self.init(past, configuration, inputs, tokenizer)
  }

  init(_ past: PastRun, _ configuration: RunConfiguration, _ inputs: RunInputs, _ tokenizer: (any Tokenizer)?) throws {
    (self.past, self.configuration, self.inputs, self.tokenizer) = (past, configuration, inputs, tokenizer)
    samples = inputs.training(configuration)
    try past.requireData(inputs.dataHash, in: configuration.data.corpus)
    objective = try TrainingRun.objective(
      configuration, model: TrainingRun.model(configuration, inputs.data), data: inputs.data)
    plan = BatchPlan(batch: configuration.batch, microBatch: configuration.microBatch, ranks: 1, threads: 1)
    steps = try configuration.steps(
      samplesPerEpoch: samples.samplesPerEpoch,
      tokensPerSample: TrainingRun.model(configuration, inputs.data).maxPosition)
  }

  /// Micro-batch `index` of step `step`, which ends with so many finished steps and need not have been run yet.
  /// - Parameter warn: gets a sentence for each checkpoint that could not be used.
  public func callAsFunction(step: Int, microBatch index: Int, warn: (String) -> Void) throws -> BatchView {
    let last = max(steps, past.lastStep)
    guard (1...last).contains(step) else {
      throw ConfigurationError("--batch", is: step, rule: "the run has steps 1...\(last).")
    }
    guard (0..<plan.microBatchCount).contains(index) else {
      throw ConfigurationError(
        "--micro-batch", is: index, rule: "a step of this run has micro-batches 0...\(plan.microBatchCount - 1).")
    }
    let clean = try samples.samples(at: plan.positions(step: step - 1, microBatch: index))
    let context = StepContext(
      seed: configuration.seed, step: step - 1, steps: past.plannedSteps(of: step - 1, else: steps))
    let example = objective.corrupt(clean, context)
    // Who draws while the step is computed draws with the weights of the step before.
    let weights = example.random == nil ? nil : past.nearestCheckpoint(step - 1, warn: warn)
    let isThere = step == 1 || weights?.step == step - 1
    let proposed = example.random == nil || !isThere ? nil : try proposals(example, weights)
    var view = BatchView(
      step: step, microBatch: index, microBatchCount: plan.microBatchCount, objective, clean, example,
      proposed: proposed?.tokens, tokenizer)
    view.losses = proposed?.losses
    if example.random != nil, !isThere {
      view.note =
        "the tokens that the generator proposes depend on the weights; they are shown for steps right after a checkpoint: \(past.listed(past.cheapSteps))"
    }
    return view
  }

  /// What the main network reads once the generator has drawn.
  private func proposals(_ example: TrainingExample, _ checkpoint: Checkpoint?) throws -> (
    tokens: [Int32], losses: [Double]
  )? {
    BLAS.useOneThread()
    let run = try TrainingRun(configuration, inputs, communicator: SingleRank(), threads: 1, .init(keepsRecord: false))
    _ = try run.load(checkpoint)
    let read = DrawnInput()
    let pass = ObjectivePass(
      run.trainer.parameters, sink: nil, dropout: CounterGenerator(seed: configuration.seed, purpose: .dropout),
      drawn: read)
    let scales = [Float](repeating: 1, count: example.targets.count)
    let losses = withFlushedDenormals {
      run.trainer.objective.lossAndGradient(example, pass, scales: scales, run.trainer.workers[0].workspace)
    }
    return read.input.map { ($0.tokens, losses) }
  }
}
