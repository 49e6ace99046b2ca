import Checkpoints
import Collectives
import Configuration
import Core
import Data
import Foundation
import HuggingFace
import Kernels
import Machine
import Metrics
import Models
import Objectives
import Optimizers
import Storage
import Tensors
import Training

/// What a run works on, opened on every rank.
public struct RunInputs: Sendable {
  public var training: any SampleSource
  /// nil when the corpus has no validation split.
  public var validation: (any SampleSource)?
  /// What objectives and models must know of the data.
  public var data: DataShape
  /// `tokenizer.json` and its exportedNetworks, for the checkpoints.
  public var tokenizerFiles: [String: [UInt8]]
  /// Digest of the data, for the record of a start.
  public var dataHash: String

  public init(
    training: any SampleSource, validation: (any SampleSource)?, data: DataShape, tokenizerFiles: [String: [UInt8]],
    dataHash: String
  ) {
    (self.training, self.validation, self.data) = (training, validation, data)
    (self.tokenizerFiles, self.dataHash) = (tokenizerFiles, dataHash)
  }

  /// Inputs of token ids.
  public init(
    training: any SampleSource, validation: (any SampleSource)?, vocabulary: Vocabulary,
    tokenizerFiles: [String: [UInt8]],
    dataHash: String
  ) {
    self.init(
      training: training, validation: validation, data: DataShape(vocabulary), tokenizerFiles: tokenizerFiles,
      dataHash: dataHash)
  }

  /// The training samples as the configuration's objective reads them: each as often per step as it says.
  public func training(_ configuration: RunConfiguration) -> any SampleSource {
    configuration.stream.repetition.times > 1 ? RepeatedSource(training, configuration.stream) : training
  }
}

/// How a run ended.
public enum RunEnding: Sendable, Equatable {
  case finished(step: Int)
  /// Stopped on request with a checkpoint.
  case stopped(step: Int)
  /// There was nothing left to do.
  case alreadyFinished(step: Int)
}

/// A job from its configuration to its last checkpoint: resumes, steps, validates, logs, saves.
public final class TrainingRun {
  public let configuration: RunConfiguration
  /// The model that is kept, with the vocabulary of the corpus and the rows of `init.from`.
  public let model: ModelConfiguration
  public let steps: Int
  public let inputs: RunInputs
  let communicator: any Communicator
  let objective: any Objective
  public let trainer: Trainer
  /// What only rank 0 has: folder, logs, display.
  let record: RunRecord?
  let accounting: SampleAccounting
  private var bestLoss: Double?
  private var bestStep: Int?
  /// Of rank 0, where progress is shown and the objective predicts tokens.
  private var frequencies: TokenFrequencies?
  let saver: CheckpointSaver
  /// Called after every step with the number of finished ones, for a caller of many runs who shows where all of them
  /// stand.
  public var onStep: ((Int) -> Void)?
  private let start: Start
  /// What the bits of the next checkpoint were computed with.
  private var arithmetic: Arithmetic?
  private var arithmeticBreaks: [ArithmeticBreak] = []
  /// How often the run has gone back to each step because replicas differed.
  var returns: [Int: Int] = [:]

  /// How a start of a run is recorded.
  public struct Start: Sendable {
    /// The command line of the program.
    public var command: [String]
    /// The version of the program.
    public var version: String
    /// Whether a run whose checkpoint is of a different numerical environment goes on.
    public var acceptArithmetic: Bool
    /// False for a run that writes nothing, such as a replay.
    public var keepsRecord: Bool
    /// False for a caller of many runs, who says once what there is to say of their shape.
    public var remarksOnShape: Bool

    public init(
      command: [String] = [], version: String = "", acceptArithmetic: Bool = false, keepsRecord: Bool = true,
      remarksOnShape: Bool = true
    ) {
      (self.command, self.version, self.acceptArithmetic) = (command, version, acceptArithmetic)
      (self.keepsRecord, self.remarksOnShape) = (keepsRecord, remarksOnShape)
    }
  }

  /// Takes all memory and opens the run folder. Collective.
  ///
  /// - Parameters:
  ///   - start: how this start is recorded.
  /// - Throws: `ConfigurationError`, and `DataError` or `FileError` for a folder that cannot be used.
  public init(
    _ configuration: RunConfiguration, _ inputs: RunInputs, communicator: any Communicator, threads: Int,
    _ start: Start = Start()
  ) throws {
    var inputs = inputs
    inputs.training = inputs.training(configuration)
    self.configuration = configuration
    self.inputs = inputs
    self.communicator = communicator
    self.start = start
    let shape = Self.model(configuration, inputs.data)
    steps = try configuration.steps(
      samplesPerEpoch: inputs.training.samplesPerEpoch, tokensPerSample: shape.maxPosition)
    objective = try Self.objective(configuration, model: shape, data: inputs.data)
    model = objective.exported
    let plan = BatchPlan(
      batch: configuration.batch, microBatch: configuration.microBatch, ranks: communicator.size, threads: threads)
    trainer = try Trainer(
      objective, length: model.maxPosition, plan: plan, options: Self.options(configuration, steps: steps),
      communicator: communicator)
    accounting = SampleAccounting(communicator, samplesPerEpoch: inputs.training.samplesPerEpoch)
    let keepsRecord = start.keepsRecord && communicator.rank == 0
    record =
      keepsRecord
      ? try RunRecord(configuration, model: model, steps: steps, plan: plan, remarksOnShape: start.remarksOnShape) : nil
    record?.termNamesSource = objective.terms.map(\.name)
    record?.unit = inputs.data.unit.abbreviation
    record?.validationSamples = inputs.validation.map {
      (SpreadSource.count(configuration.machine.validationSamples, of: $0), $0.samplesPerEpoch)
    }
    saver = CheckpointSaver(configuration.machine, communicator: communicator, pool: trainer.pool, record: record)
  }

  /// The main model with the sizes that the data decides.
  public static func model(_ configuration: RunConfiguration, _ data: DataShape) -> ModelConfiguration {
    var model = configuration.model
    data.fill(&model)
    return model
  }

  /// The configuration's objective for data of this shape.
  public static func objective(_ configuration: RunConfiguration, model: ModelConfiguration, data: DataShape) throws
    -> any Objective
  {
    guard let entry = ObjectiveRegistry.entry(named: configuration.objective) else {
      throw ConfigurationError("objective.name", is: configuration.objective, rule: "it is not in the registry.")
    }
    return try entry.make(configuration.objectiveOptions, model, data)
  }

  static func options(_ configuration: RunConfiguration, steps: Int) -> TrainerOptions {
    TrainerOptions(
      seed: configuration.seed, steps: steps, optimizer: configuration.optimizer, schedule: configuration.schedule,
      sum: configuration.sum, bucketBytes: Int(configuration.machine.bucketMegabytes * 1_048_576),
      divergence: configuration.machine.divergence)
  }

  // MARK: - The run

  /// Trains until the last step or a request to stop. Collective; errors are the same on every rank or end the job.
  public func execute() throws -> RunEnding {
    var (step, launch): (Int, LaunchRecord)
    do {
      (step, launch) = try prepare()
    } catch {
      record?.refuse()
      throw error
    }
    try record?.start(launch)
    guard step < steps else { return .alreadyFinished(step: step) }
    try countFrequencies()
    communicator.stallSeconds = configuration.machine.stallSeconds > 0 ? configuration.machine.stallSeconds : nil
    while true {
      do {
        step = try train(from: step)
        break
      } catch let error as ReplicaError {
        step = try rollBack(after: error)
      }
    }
    record?.finish()
    return step < steps ? .stopped(step: step) : .finished(step: step)
  }

  /// All that can refuse a start, before anything in the run folder is changed. Collective.
  /// - Returns: finished steps, and the record of this start.
  private func prepare() throws -> (Int, LaunchRecord) {
    let arithmetic = Arithmetic.current()
    try arithmetic.requireEqual(over: communicator)
    try requireEqualData()
    let step = try restore(arithmetic)
    try record?.checkLogs()
    let change = arithmeticBreaks.last.flatMap { $0.step == step && $0.to == arithmetic.fields ? $0 : nil }
    return (step, try launch(step, arithmetic, change))
  }

  /// Steps until the last one or a request to stop. - Returns: finished steps.
  private func train(from first: Int) throws -> Int {
    var step = first
    let start = try accounting.begin(
      at: step, plannedSteps: steps, threads: trainer.plan.threads, launch: try record?.openLedger() ?? 0)
    record?.account(start)
    let prefetcher = examples(from: step)
    defer { prefetcher.stop() }
    var outcome: StepOutcome
    repeat {
      communicator.phase = Phase(step: step, "data")
      let asked = ContinuousClock.now
      let examples = try prefetcher.next()
      let waited = (ContinuousClock.now - asked).inSeconds
      if let record, !examples.isEmpty {
        let positions = Double(examples.count * trainer.plan.microBatch * model.maxPosition)
        record.flopsPerToken = examples.reduce(0) { $0 + objective.trainingFlops($1) } / positions
      }
      outcome = try trainer.step(
        step, examples, stopRequested: StopRequest.isPending, saveRequested: try saver.isDue(finishing: step + 1),
        dataSeconds: waited)
      step += 1
      accounting.add(outcome.samples)
      try afterStep(outcome, finished: step)
      onStep?(step)
    } while step < steps && !outcome.stopRequested
    return step
  }

  /// Counts the targets of the objective, and reports which loss frequencies alone give.
  private func countFrequencies() throws {
    guard let record, record.showsProgress else { return }
    frequencies = try TokenFrequencies(
      objective, inputs.validation ?? inputs.training, samples: max(512, configuration.machine.validationSamples),
      seed: configuration.seed)
    if let frequencies { record.remark(frequencies.announcement) }
  }

  /// The record of this start. Collective.
  private func launch(_ step: Int, _ arithmetic: Arithmetic, _ change: ArithmeticBreak?) throws -> LaunchRecord {
    let rate = try MachineRate.measure(trainer.pool, over: communicator)
    return LaunchRecord(
      step: step, ranks: communicator.size, threads: trainer.plan.threads,
      hosts: try LaunchRecord.hosts(over: communicator),
      time: Date().timeIntervalSince1970, command: start.command, version: start.version,
      mpi: MPICommunicator.libraryVersion,
      processor: Processor.current(), arithmetic: arithmetic, arithmeticBreak: change, dataHash: inputs.dataHash,
      experimentHash: configuration.experimentHash, sgemmGflops: rate.running / 1e9,
      kernel: .current, bestSgemmGflops: rate.best / 1e9)
  }

  /// Each rank opened the corpus on its own host. - Throws: `DivergenceError` on every rank when two hold different
  /// data.
  public func requireEqualData() throws {
    let mine = Array(
      SHA256.of("\(inputs.dataHash) \(inputs.training.samplesPerEpoch) \(inputs.validation?.samplesPerEpoch ?? -1)")
        .utf8)
    let all = try communicator.allGather(mine)
    guard let other = all.firstIndex(where: { $0 != all[0] }) else { return }
    throw DivergenceError(
      "rank \(other) has another corpus in \(configuration.data.corpus) than rank 0. Copy the same folder to every host; lockstep inspect prints its content hash."
    )
  }

  /// Examples of the coming steps, made on a thread of their own.
  private func examples(from step: Int) -> Prefetcher<[TrainingExample]> {
    let (rank, plan, objective, source) = (communicator.rank, trainer.plan, objective, inputs.training)
    let (seed, steps) = (configuration.seed, steps)
    return Prefetcher(depth: 2, start: step) { step in
      try Trainer.examples(
        step: step, rank: rank, plan: plan, objective: objective, source: source,
        context: StepContext(seed: seed, step: step, steps: steps))
    }
  }

  /// Everything that happens at intervals, decided by the step alone so that all ranks take part.
  private func afterStep(_ outcome: StepOutcome, finished step: Int) throws {
    let machine = configuration.machine
    let last = step == steps || outcome.stopRequested
    var (validated, isBest): (Double?, Bool) = (nil, false)
    let validates = inputs.validation != nil && (step % machine.validationSteps == 0 || step == steps)
    report(outcome.repaired, step)
    // What is measured or saved must be what the others have, too.
    if validates || outcome.saveRequested || last { report(try trainer.verifyReplicas(after: step), step) }
    communicator.phase = Phase(step: step, "validation and saving")
    if validates {
      let terms = try validate()
      let loss = zip(terms, objective.terms).reduce(0) { $0 + $1.0 * $1.1.weight }
      (validated, isBest) = (loss, loss < bestLoss ?? .infinity)
      if let sentence = frequencies?.remark(step: step, losses: terms) { record?.remark(sentence) }
      if isBest { (bestLoss, bestStep) = (loss, step) }
    }
    let logs = step % machine.logSteps == 0 || validated != nil || last || outcome.isSkipped
    // Before anything is saved: a checkpoint carries the account, and writes the ledger before itself.
    if logs || outcome.saveRequested, let line = try accounting.close(step) { record?.account(line) }
    record?.note(
      outcome, finished: step, validation: validated, epoch: epoch(step), samplesPerStep: configuration.batch)
    if logs { record?.log() }
    if last {
      try saver.saveLast(try contents(step))
    } else if outcome.saveRequested || isBest {
      try saver.save(try contents(step))
    }
  }

  private func epoch(_ step: Int) -> Double {
    Double(step) * Double(configuration.batch) / Double(max(inputs.training.samplesPerEpoch, 1))
  }

  /// The validation loss of each term.
  private func validate() throws -> [Double] {
    guard let source = inputs.validation else { return [] }
    let wanted = SpreadSource.count(configuration.machine.validationSamples, of: source)
    // Hosts of different speed come to the end of a large validation set far apart.
    let patience = communicator.stallSeconds
    communicator.stallSeconds = patience.map { 10 * $0 }
    defer { communicator.stallSeconds = patience }
    return try trainer.evaluate(source, samples: wanted, meters: record?.meters)
  }

  // MARK: - Checkpoints

  private func contents(_ step: Int) throws -> CheckpointContents {
    CheckpointContents(
      model: model, parameters: trainer.parameters.trained, moments: moments, auxiliary: auxiliaries,
      files: try files(), state: state(step))
  }

  private func state(_ step: Int) -> TrainingState {
    let entries = trainer.sum.layout.entries
    return TrainingState(
      step: step, streamPosition: UInt64(step) * UInt64(configuration.batch), samplesSeen: step * configuration.batch,
      tokensSeen: step * configuration.batch * model.maxPosition,
      schedule: ["steps": Double(steps), "warmup_steps": Double(configuration.schedule.warmupSteps)],
      gradientScales: Dictionary(uniqueKeysWithValues: zip(entries.map(\.name), trainer.sum.exponents)),
      objective: configuration.objective, experimentHash: configuration.experimentHash, dataHash: inputs.dataHash,
      bestValidationLoss: bestLoss, bestStep: bestStep,
      arithmetic: arithmetic?.fields, arithmeticBreaks: arithmeticBreaks.isEmpty ? nil : arithmeticBreaks,
      account: accounting.account,
      skippedSteps: trainer.skippedSteps > 0 ? trainer.skippedSteps : nil, frozenNetworks: frozenDigests)
  }

  private func files() throws -> [String: [UInt8]] {
    var files = inputs.tokenizerFiles
    files[CheckpointFile.configuration] = HuggingFaceConfiguration.json(for: model, vocabulary: inputs.data.vocabulary)
    files.merge(ExportedNetworkFiles.configurations(objective.exportedNetworks, vocabulary: inputs.data.vocabulary)) {
      $1
    }
    files[CheckpointFile.generation] = HuggingFaceConfiguration.generationJSON(
      for: model, vocabulary: inputs.data.vocabulary)
    return files
  }

  public var moments: [String: ParameterStore] {
    ["m": trainer.optimizer.firstMoment, "v": trainer.optimizer.secondMoment]
  }

  public var auxiliaries: [String: ParameterStore] {
    Dictionary(
      uniqueKeysWithValues: objective.networks.auxiliaries.map { ($0.name, trainer.parameters.auxiliary($0.name)) })
  }

  /// Weights, moments and state from the newest intact checkpoint, from `init.from`, or drawn anew. - Returns: finished
  /// steps.
  private func restore(_ arithmetic: Arithmetic) throws -> Int {
    self.arithmetic = arithmetic
    return try load(try record?.recover())
  }

  /// Weights, moments and state of a checkpoint, or without one those that the run begins with: read on rank 0, sent to
  /// all.
  /// - Returns: finished steps.
  public func load(_ checkpoint: Checkpoint?) throws -> Int {
    var bytes: [UInt8] = []
    if let checkpoint {
      try checkpoint.restore(
        model: model, parameters: trainer.parameters.trained, moments: moments, auxiliary: auxiliaries)
      try checkFrozenNetworks(checkpoint.state)
      bytes = try checkpoint.state.encoded()
    } else if communicator.rank == 0 {
      trainer.parameters.initialize(seed: configuration.seed)
      for moment in moments.values { moment.all.fill(0) }
      try startFromGivenWeights()
      try loadFrozenNetworks()
    }
    bytes = try communicator.broadcast(bytes)
    for store in [trainer.parameters.trained] + moments.sorted(by: { $0.key < $1.key }).map(\.value)
      + auxiliaries.sorted(by: { $0.key < $1.key }).map(\.value)
    {
      try communicator.broadcast(
        UnsafeMutableRawBufferPointer(start: store.memory, count: 4 * store.layout.count), from: 0)
    }
    (trainer.skippedSteps, trainer.skippedInARow) = (0, 0)
    guard !bytes.isEmpty else {
      (bestLoss, bestStep) = (nil, nil)
      accounting.resume(nil)
      return 0
    }
    let state = try TrainingState(decoding: bytes)
    trainer.sum.restore(
      exponents: try trainer.sum.layout.entries.map { entry in
        guard let exponent = state.gradientScales[entry.name] else {
          throw DataError("state.json", "has no gradient scale for \(entry.name).")
        }
        return exponent
      })
    (bestLoss, bestStep) = (state.bestValidationLoss, state.bestStep)
    trainer.skippedSteps = state.skippedSteps ?? 0
    accounting.resume(state.account)
    try checkContinuation(of: state)
    arithmeticBreaks = state.arithmeticBreaks ?? []
    if let arithmetic, let change = try record?.compare(arithmetic, with: state, accept: start.acceptArithmetic) {
      arithmeticBreaks.append(change)
    }
    return state.step
  }

  /// Refuses other data than the checkpoint was trained on, and warns of a schedule that is stretched in the middle.
  private func checkContinuation(of state: TrainingState) throws {
    if !state.dataHash.isEmpty, state.dataHash != inputs.dataHash {
      throw ConfigurationError(
        "data.corpus", is: configuration.data.corpus,
        rule:
          "it holds other data than the \(counted(state.step, "step")) so far were trained on. Restore that corpus, or give the run another name."
      )
    }
    if let before = state.schedule["steps"].map({ Int($0) }), before != steps, !configuration.schedules.isEmpty,
      state.step < steps
    {
      record?.warn(
        "the run was planned for \(counted(before, "step")) and now for \(steps): \(configuration.schedules.joined(separator: " and ")) is stretched from step \(state.step) on, so its bits are not those of a run planned so from the start."
      )
    }
  }

  private func startFromGivenWeights() throws {
    guard !configuration.initFrom.isEmpty else { return }
    let source = try HuggingFaceSource(ModelFolder.resolve(configuration.initFrom) { record?.warn($0) })
    let report = try source.load(into: trainer.parameters.trained, as: model)
    let anew = try source.loadRest(
      into: trainer.parameters.trained, as: model, exportedNetworks: objective.exportedNetworks)
    if let first = anew.first {
      record?.warn(
        "\(configuration.initFrom) does not have \(counted(anew.count, "parameter")) such as \(first); they are initialised."
      )
    }
    trainer.parameters.resetMovingAverages()
    for warning in report.warnings { record?.warn(warning) }
    for (name, rows) in report.grown.sorted(by: { $0.key < $1.key }) {
      record?.warn("\(name) of \(configuration.initFrom) had \(counted(rows, "row")) added for new tokens.")
    }
  }
}
