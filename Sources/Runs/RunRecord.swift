import Checkpoints
import Configuration
import Core
import Foundation
import HuggingFace
import Machine
import Metrics
import Models
import Objectives
import Safetensors
import Storage
import Training

/// What rank 0 keeps of a run: its folder, metrics, events, curve and the display.
final class RunRecord {
  let folder: RunFolder
  private let configuration: RunConfiguration
  private let model: ModelConfiguration
  private let steps: Int
  private let plan: BatchPlan
  /// False where many runs have one shape, which their caller reports.
  private let remarksOnShape: Bool
  private var claim: RunClaim
  private let display: ProgressDisplay
  private let warnOnce: WarnOnce
  private var metrics: MetricsLog?
  private var events: EventWriter?
  private var ledger: LedgerLog?
  private var sgemm = 0.0
  private var firstStep = 0
  private var started = ContinuousClock.now
  private var last: StepRecord?
  private var validation: (loss: Double, step: Int)?
  /// How many samples the validation loss is over, and how many the split has; nil without a split.
  var validationSamples: (used: Int, all: Int)?
  private var saidValidation = false
  private var damaged: Set<Int> = []
  /// Of the checkpoint that the run goes on from.
  private var resumed: TrainingState?
  /// Whether the text of the configuration in the folder is not that of its checkpoints.
  private var mendsConfiguration = false
  /// The record of this start, until it is written.
  private var launch: [UInt8]?
  /// Sentences said since the last write that succeeded, by what is written.
  private var failing: [Writing: Set<String>] = [:]
  /// Seconds that checkpoints took from the run since the last logged step.
  private var paused = 0.0
  /// Seconds and steps since the last logged step, for rates over the interval.
  private var interval = (seconds: 0.0, steps: 0, tokens: 0.0, flops: 0.0)

  init(_ configuration: RunConfiguration, model: ModelConfiguration, steps: Int, plan: BatchPlan, remarksOnShape: Bool)
    throws
  {
    self.configuration = configuration
    self.model = model
    self.steps = steps
    self.plan = plan
    self.remarksOnShape = remarksOnShape
    folder = RunFolder(configuration.machine.runs + "/" + configuration.name)
    let display = ProgressDisplay.standardError(mode: configuration.machine.progress)
    self.display = display
    warnOnce = WarnOnce { StandardError.write("warning: \($0)\n") }
    claim = try folder.claim()
    do {
      try folder.requireOwnFiles()
      try checkExperiment()
    } catch {
      claim.undo()
      throw error
    }
  }

  /// A start that is refused leaves no trace.
  func refuse() { claim.undo() }

  var showsProgress: Bool { configuration.machine.progress != .none }
  /// Show work that takes longer than a step; nil where no progress is wanted.
  var meters: WorkMeters? { showsProgress ? .standardError() : nil }

  /// A line that helps to read the others.
  func remark(_ text: String) { display.remark(text) }

  func warn(_ text: String) { _ = warnOnce(text) }

  /// A run folder belongs to one experiment: that of its checkpoints, or none before the first. The text of the
  /// configuration names what differs; where it is damaged, `start` writes it anew from the configuration given.
  /// Changes nothing.
  ///
  /// - Throws: `ConfigurationError` naming the keys that differ.
  private func checkExperiment() throws {
    let saved = try folder.configuration()
    let old = saved.flatMap { try? RunConfiguration(toml: $0, place: folder.configurationPath) }
    // A start that never saved anything, say because of a wrong path, fixes nothing.
    let steps = try folder.steps()
    let whole = steps.last { folder.isWhole(step: $0) }
    let hash =
      try whole.map { try Checkpoint(opening: folder.checkpointPath(step: $0)).state.experimentHash }
      ?? old?.experimentHash
    if let hash, !steps.isEmpty, hash != configuration.experimentHash {
      let differences = old.map { Self.difference($0, configuration) } ?? "its config.toml cannot be read"
      throw ConfigurationError(
        folder.path,
        "holds a run of another configuration (\(differences)). Name another run, or restore these keys to resume this one."
      )
    }
    mendsConfiguration = saved != nil && !steps.isEmpty && old?.experimentHash != configuration.experimentHash
  }

  /// The first few keys in which two configurations differ, `machine`, `duration` and the name left out.
  static func difference(_ old: RunConfiguration, _ new: RunConfiguration) -> String {
    let before = Dictionary(old.values.map { ($0.key, $0.text) }, uniquingKeysWith: { a, _ in a })
    let changed = new.values.filter {
      $0.key != "name" && !$0.key.hasPrefix("machine.") && !$0.key.hasPrefix("duration.") && before[$0.key] != $0.text
    }
    let texts = changed.map { "\($0.key) was \(before[$0.key] ?? "absent") and is \($0.text)" }
    return texts.isEmpty ? "a key is gone" : texts.prefix(4).joined(separator: ", ") + (texts.count > 4 ? ", …" : "")
  }

  private func noteShape() {
    if let reason = model.unsupportedByHuggingFace { warn(reason) }
    if plan.idleWorkers > 0 {
      warn(
        "\(plan.idleWorkers) of \(plan.ranks * plan.threads) workers have no micro-batch and idle: a batch of \(plan.batch) in micro-batches of \(plan.microBatch) feeds \(plan.microBatchCount)."
      )
    }
    // Advice for a person who watches; a comparison starts dozens of runs.
    if configuration.machine.progress != .none, plan.microBatch * model.maxPosition < 1000, plan.batch > plan.microBatch
    {
      warn(
        "a micro-batch has \(plan.microBatch * model.maxPosition) positions; from about 1,000 on, products run at full speed. Raise batch.micro_batch if the batch allows it."
      )
    }
  }

  // MARK: - Start and end

  /// The newest intact checkpoint, with a warning for each that is not. Changes nothing.
  func recover() throws -> Checkpoint? {
    let recovery = try folder.newestIntact()
    for warning in recovery.warnings { warn(warning) }
    // Newer than the newest intact one means damaged; a replay of the step will replace it.
    damaged = Set(try folder.steps().filter { $0 > recovery.checkpoint?.step ?? Int.max })
    if let checkpoint = recovery.checkpoint, checkpoint.state.experimentHash != configuration.experimentHash {
      throw ConfigurationError(
        checkpoint.path, "belongs to another configuration than \(folder.configurationPath) describes.")
    }
    resumed = recovery.checkpoint?.state
    return recovery.checkpoint
  }

  /// Compares this start's arithmetic with that of the checkpoint it goes on from.
  ///
  /// - Parameter accept: go on all the same.
  /// - Returns: the change, if there is one and it was allowed.
  /// - Throws: `DivergenceError` that says what is different.
  func compare(_ arithmetic: Arithmetic, with state: TrainingState, accept: Bool) throws -> ArithmeticBreak? {
    guard let fields = state.arithmetic, let before = Arithmetic(fields: fields) else {
      warn("the checkpoint does not record its numerical environment, so this start cannot be compared with it.")
      return nil
    }
    let there = LaunchRecord.processor(of: before, in: folder)
    guard let difference = arithmetic.difference(from: before, processors: there.map { (Processor.current(), $0) })
    else { return nil }
    guard accept else {
      throw DivergenceError(
        "this run was computed with a different numerical environment: now, \(difference). Its further bits would differ; pass --accept-arithmetic to resume nevertheless."
      )
    }
    warn(
      "resuming with a different numerical environment, as --accept-arithmetic allows: \(difference). The bits differ from an unbroken run from step \(state.step) on."
    )
    return ArithmeticBreak(step: state.step, from: before.fields, to: arithmetic.fields)
  }

  /// The first changes of a start: what a crash left is removed, the configuration and the pointers say what is so, the
  /// logs are opened, and the record of this start is left.
  func start(_ launch: LaunchRecord) throws {
    try claim.sign()
    for name in try folder.prepare() {
      warn("removed \(printableName(name)), which an interrupted run had left half-written.")
    }
    if mendsConfiguration {
      warn(
        "\(folder.configurationPath) was damaged and is written again: the checkpoints are of the configuration given.")
    }
    // A start that trains nothing leaves the plan of the steps that were trained.
    if try launch.step < steps || mendsConfiguration || folder.configuration() == nil {
      try folder.writeConfiguration(configuration.toml)
    }
    try repairPointers()
    sgemm = launch.bestSgemmGflops * 1e9
    firstStep = launch.step
    if remarksOnShape, firstStep < steps { noteShape() }
    for name in LaunchRecord.unreadable(in: folder) {
      warn("\(folder.launchesPath)/\(name) is not a record of a start; it is ignored.")
    }
    self.launch = try launch.encoded()
    try writeLaunch()
    let metrics = try MetricsLog(folder.metricsPath, resumedStep: firstStep)
    if metrics.unreadableLines > 0 {
      warn("\(folder.metricsPath) had \(metrics.unreadableLines) unreadable lines, which were removed.")
    }
    self.metrics = metrics
    if configuration.machine.tensorboard, firstStep < steps {
      events = try newEvents(from: firstStep, wallTime: launch.time)
      try events?.appendText(
        "configuration", markdown: "```toml\n\(configuration.toml)\n```", wallTime: launch.time, step: firstStep)
    }
    if firstStep < steps { display.note(launch.kernelSentence) }
    if firstStep > 0, firstStep < steps { display.note("resuming \(folder.path) after step \(firstStep) of \(steps)") }
    started = .now
  }

  private func repairPointers() throws {
    guard let resumed else { return }
    for sentence in try folder.repairPointers(resuming: resumed) { warn(sentence) }
  }

  /// Cuts the logs off after `step`, for the run has gone back to it.
  func rollBack(to step: Int) throws {
    try repairPointers()
    attempt(.metrics) {
      try metrics?.flush()
      metrics = try MetricsLog(folder.metricsPath, resumedStep: step)
    }
    attempt(.events) {
      guard events != nil else { return }
      events = try newEvents(from: step, wallTime: Date().timeIntervalSince1970)
    }
    (validation, last) = (nil, nil)
  }

  private func newEvents(from step: Int, wallTime: Double) throws -> EventWriter {
    try EventWriter(
      folder: folder.path, host: ProcessInfo.processInfo.hostName, wallTime: wallTime, resumedStep: step,
      history: try MetricsLog.sample(at: folder.metricsPath, atMost: EventWriter.historyLength))
  }

  private func writeLaunch() throws {
    guard let bytes = launch else { return }
    try folder.writeLaunch(bytes)
    launch = nil
  }

  /// Leaves the display.
  func finish() { display.finish() }

  /// Writes what the logs still hold, and draws the curve.
  func close() throws {
    try writeLaunch()
    try metrics?.flush()
    try events?.flush()
    try LearningCurve.write(
      metrics: folder.metricsPath, to: folder.curvePath,
      options: .init(title: "\(configuration.name): loss (\(configuration.objective))"))
  }

  // MARK: - Steps

  /// Takes a step into the record; written by `log`.
  func note(_ outcome: StepOutcome, finished step: Int, validation: Double?, epoch: Double, samplesPerStep: Int) {
    let tokens = Double(samplesPerStep * model.maxPosition)
    interval.seconds += outcome.stepSeconds
    interval.steps += 1
    interval.tokens += tokens
    interval.flops += flopsPerToken * tokens
    if let validation { self.validation = (validation, step) }
    let names = termNames(outcome.termLosses.count)
    last = StepRecord(
      step: step, epoch: epoch, tokens: step * samplesPerStep * model.maxPosition,
      losses: zip(names, outcome.termLosses).map { Named($0, $1) }, loss: outcome.loss, validationLoss: validation,
      validationSamples: validation.flatMap { _ in validationSamples?.used }, learningRate: outcome.learningRate,
      gradNorm: outcome.gradNorm, lossDigest: outcome.lossDigest,
      targetCounts: zip(names, outcome.counts).map { Named($0, $1) }, repeats: outcome.repeats,
      tokensPerS: interval.tokens / interval.seconds, mfu: sgemm > 0 ? interval.flops / interval.seconds / sgemm : nil,
      stepSeconds: outcome.stepSeconds,
      seconds: outcome.seconds.map { Named($0.phase, $0.seconds) } + (paused > 0 ? [Named("checkpoint", paused)] : []),
      communicationSeconds: outcome.waits.communication,
      exposedCommunicationSeconds: outcome.waits.exposed, dataWaitSeconds: outcome.waits.data,
      wallTime: Date().timeIntervalSince1970,
      isSkipped: outcome.isSkipped)
    if outcome.isSkipped { return tellSkipped(step) }
    show()
  }

  private func tellSkipped(_ step: Int) {
    warnOnce(
      "step \(step) has no position with a target and was skipped: weights and moments stay as they were. "
        + "Further steps of this kind are marked in \(folder.metricsPath) only; after \(Trainer.mostSkipped) in a row the run stops.",
      key: "skipped")
  }

  var termNamesSource: [String] = []
  /// What a rate counts.
  var unit = DataShape.Unit.tokens.abbreviation
  /// Required flops of the step over a token, as rank 0's examples have them.
  var flopsPerToken = 0.0

  private func termNames(_ count: Int) -> [String] {
    termNamesSource.count == count ? termNamesSource : (0..<count).map { "term\($0)" }
  }

  private func show() {
    guard let last else { return }
    let elapsed = (ContinuousClock.now - started).inSeconds
    display.show(
      ProgressSnapshot(
        last, totalSteps: steps, startStep: firstStep, elapsedSeconds: elapsed, validation: validation, unit: unit),
      now: elapsed)
    if last.validationLoss != nil { sayValidation() }
  }

  /// What `val` is, once a start: of a large split only a part is read.
  private func sayValidation() {
    guard !saidValidation, let (used, all) = validationSamples else { return }
    saidValidation = true
    display.remark(
      used < all
        ? "val is the loss over \(used) of the \(all) samples of the validation split, evenly spread; machine.validation_samples = 0 takes all"
        : "val is the loss over all \(all) samples of the validation split")
  }

  /// Writes the last step to the logs. What fails is kept in memory and written with the next one.
  func log() {
    guard let last else { return }
    attempt(.launch) { try writeLaunch() }
    attempt(.metrics) {
      if try metrics?.append(last) == true { warn("\(folder.metricsPath) had been removed and is started again.") }
    }
    attempt(.events) { try events?.append(last) }
    interval = (0, 0, 0, 0)
    paused = 0
  }

  /// Whether the logs can be read and are no larger than they can be. Changes nothing.
  func checkLogs() throws {
    for (path, most) in [(folder.metricsPath, MetricsLog.mostBytes), (folder.ledgerPath, Ledger.mostBytes)]
    where try FileKind.of(path) != .absent { _ = try MappedFile(path, atMost: most) }
  }

  /// Opens the ledger at the first call. - Returns: the number of this start's record.
  func openLedger() throws -> Int {
    if ledger == nil {
      let ledger = try LedgerLog(folder.ledgerPath)
      self.ledger = ledger
      if ledger.wasEmpty, resumed?.account != nil {
        warn(
          "\(folder.ledgerPath) is missing: which samples the steps before \(firstStep) used can no longer be proved. The weights do not depend on it."
        )
      }
      if let first = ledger.damagedLines.first {
        let count = ledger.damagedLines.count
        let which =
          count == 1
          ? "a damaged line, \(first), which stays" : "\(count) damaged lines from line \(first) on, which stay"
        warn("\(folder.ledgerPath) has \(which): lockstep inspect says which samples are not accounted for.")
      }
    }
    return try folder.launches().last ?? 0
  }

  /// Adds a line to the ledger; one that fails is kept in memory and written with the next.
  func account(_ line: LedgerEntry) { attempt(.ledger) { try ledger?.append(line) } }

  /// Counts seconds that a checkpoint took from the run.
  func pause(_ seconds: Double) { paused += seconds }

  // MARK: - Writes that fail

  /// What is written while the run goes on.
  enum Writing: String {
    case checkpoint
    case launch = "launch record"
    case metrics, events, ledger
  }

  private func attempt(_ what: Writing, _ write: () throws -> Void) {
    do {
      try write()
      recovered(what, "writing the \(what.rawValue) works again.")
    } catch {
      warnFailing(
        what,
        "writing the \(what.rawValue) failed at step \(last?.step ?? firstStep), and it is kept in memory: \(error)",
        key: Self.reason(error))
    }
  }

  /// What makes two failures the same, whatever the step, the file and the bytes that were written: the system's
  /// reason.
  static func reason(_ error: any Error) -> String {
    let text = (error as? FileError)?.reason ?? (error as? CheckpointError)?.problem ?? "\(error)"
    return text.split(separator: " ").filter { !$0.contains("/") && !$0.contains(where: \.isNumber) }.joined(
      separator: " ")
  }

  /// Says each failure once until a write has succeeded.
  func warnFailing(_ what: Writing, _ sentence: String, key: String) {
    guard failing[what, default: []].insert(key).inserted else { return }
    display.note("warning: " + sentence)
  }

  func recovered(_ what: Writing, _ sentence: String) {
    guard failing.removeValue(forKey: what) != nil else { return }
    display.note(sentence)
  }

  // MARK: - Checkpoints

  /// Takes the folder again where it was removed. - Throws: `CheckpointError` when another process has it by now.
  func keepClaim() throws {
    guard !claim.holds(folder) else { return }
    let taken = Result { () throws(CheckpointError) in try folder.claim() }
    switch taken {
    case .success(let new):
      claim = new
      attempt(.launch) { try new.sign() }
    case .failure(let error):
      guard error.exitCode != .claimed else { throw error }
      warnFailing(
        .checkpoint, "\(folder.path) was removed and cannot be made again: \(error)", key: "claim \(error.problem)")
    }
  }

  /// Writes again what a removed folder lacks besides checkpoints.
  func restoreFolder() {
    attempt(.launch) {
      if try folder.configuration() == nil { try folder.writeConfiguration(configuration.toml) }
    }
  }

  /// The work of writing a checkpoint and removing those that need not be kept, for another thread.
  func writing(_ snapshot: CheckpointSnapshot, step: Int, best: Int?) -> @Sendable () throws -> [String] {
    damaged.remove(step)
    let (folder, damaged, machine, ledger) = (folder, damaged, configuration.machine, ledger)
    let policy = RetentionPolicy(
      keepLast: machine.keepLast, everySteps: machine.keepEverySteps > 0 ? machine.keepEverySteps : nil)
    return {
      var warnings: [String] = []
      // A checkpoint must not outlive the lines of the samples it was made from.
      try ledger?.sync()
      if case .replacedDamaged(let problem) = try folder.commit(snapshot) { warnings.append(problem) }
      if let best, try folder.nameBest(step: best) { warnings.append("best was damaged and was corrected.") }
      do { try folder.prune(policy, damaged: damaged) } catch {
        warnings.append("older checkpoints were not removed: \(error)")
      }
      return warnings
    }
  }
}
