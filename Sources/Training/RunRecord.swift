import Checkpoints
import Core
import Foundation
import Metrics
import Models
import Objectives
import Storage

/// What rank 0 keeps of a run: its folder, metrics, events, curve and the display.
final class RunRecord {
  let folder: RunFolder
  private let configuration: RunConfiguration
  private let model: ModelConfiguration
  private let steps: Int
  private let plan: BatchPlan
  private let command: [String]
  private let claim: RunClaim
  private let display: ProgressDisplay
  private let warnOnce: WarnOnce
  private var metrics: MetricsLog?
  private var events: EventWriter?
  private var sgemm = 0.0
  private var firstStep = 0
  private var started = ContinuousClock.now
  private var last: StepRecord?
  private var validation: Double?
  private var damaged: Set<Int> = []
  /// Seconds and steps since the last logged step, for rates over the interval.
  private var interval = (seconds: 0.0, steps: 0, tokens: 0.0, flops: 0.0)

  init(_ configuration: RunConfiguration, model: ModelConfiguration, steps: Int, plan: BatchPlan, command: [String]) throws {
    self.configuration = configuration
    self.model = model
    self.steps = steps
    self.plan = plan
    self.command = command
    folder = RunFolder(configuration.machine.runs + "/" + configuration.name)
    let display = ProgressDisplay.standardError(mode: ProgressMode(rawValue: configuration.machine.progress) ?? .auto)
    self.display = display
    warnOnce = WarnOnce { text in FileHandle.standardError.write(Foundation.Data("warning: \(text)\n".utf8)) }
    claim = try folder.claim()
    for name in try folder.prepare() { warn("removed \(name), which an interrupted run had left half-written.") }
    try checkExperiment()
    noteShape()
  }

  func warn(_ text: String) { _ = warnOnce(text) }

  /// A run folder belongs to one experiment. - Throws: `ConfigurationError` naming the keys that differ.
  private func checkExperiment() throws {
    if let saved = try folder.configuration() {
      let old = try RunConfiguration(toml: saved, place: folder.configurationPath)
      // A start that never saved anything, say because of a wrong path, fixes nothing.
      if old.experimentHash != configuration.experimentHash, try !folder.steps().isEmpty {
        let differences = Self.differingLines(old.toml, configuration.toml)
        throw ConfigurationError(
          folder.path,
          "holds a run of another configuration (\(differences)). Name another run, or restore these keys to go on with this one.")
      }
    }
    try folder.writeConfiguration(configuration.toml)
  }

  /// The first few keys in which two resolved files differ, `machine` and `duration` left out.
  static func differingLines(_ old: String, _ new: String) -> String {
    func pairs(_ text: String) -> [(key: String, value: String)] {
      var section = ""
      return text.split(separator: "\n").compactMap { line in
        if line.hasPrefix("[") {
          section = line.trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
          return nil
        }
        let parts = line.components(separatedBy: " = ")
        return (section.isEmpty ? parts[0] : "\(section).\(parts[0])", parts.dropFirst().joined(separator: " = "))
      }
    }
    let before = Dictionary(pairs(old).map { ($0.key, $0.value) }, uniquingKeysWith: { a, _ in a })
    let changed = pairs(new).filter { !$0.key.hasPrefix("machine.") && !$0.key.hasPrefix("duration.") && before[$0.key] != $0.value }
    let texts = changed.map { "\($0.key) was \(before[$0.key] ?? "absent") and is \($0.value)" }
    return texts.isEmpty ? "a key is gone" : texts.prefix(4).joined(separator: ", ") + (texts.count > 4 ? ", …" : "")
  }

  private func noteShape() {
    if let obstacle = model.huggingFaceObstacle { warn(obstacle) }
    if plan.idleWorkers > 0 {
      warn(
        "\(plan.idleWorkers) of \(plan.ranks * plan.threads) workers have no micro-batch and idle: a batch of \(plan.batch) in micro-batches of \(plan.microBatch) feeds \(plan.microBatchCount).")
    }
    if plan.microBatch * model.context < 1000, plan.batch > plan.microBatch {
      warn(
        "a micro-batch has \(plan.microBatch * model.context) tokens; from about 1,000 on, products run at full speed. Raise batch.microBatch if the batch allows it.")
    }
  }

  // MARK: - Start and end

  /// The newest intact checkpoint, with a warning for each that is not.
  func recover() throws -> Checkpoint? {
    let recovery = try folder.newestIntact()
    for warning in recovery.warnings { warn(warning) }
    // Newer than the newest intact one means damaged; a replay of the step will replace it.
    damaged = Set(try folder.steps().filter { $0 > recovery.checkpoint?.step ?? Int.max })
    if let checkpoint = recovery.checkpoint, checkpoint.state.experimentHash != configuration.experimentHash {
      throw ConfigurationError(checkpoint.path, "belongs to another configuration than \(folder.configurationPath) describes.")
    }
    return recovery.checkpoint
  }

  func start(at step: Int, arithmetic: Arithmetic, dataHash: String, ranks: Int, sgemm: Double) throws {
    self.sgemm = sgemm
    firstStep = step
    let previous = try lastArithmetic()
    if step > 0, let previous, let difference = arithmetic.difference(from: previous) {
      guard ProcessInfo.processInfo.environment["LOCKSTEP_ACCEPT_ARITHMETIC"] == "1" else {
        throw DivergenceError(
          "this run was computed with other arithmetic: now, \(difference). Its further bits would differ; pass --accept-arithmetic to go on all the same.")
      }
      warn("going on with other arithmetic, as asked: \(difference). The bits differ from an unbroken run from step \(step) on.")
    }
    try writeLaunch(step: step, arithmetic: arithmetic, dataHash: dataHash, ranks: ranks)
    metrics = try MetricsLog(folder.metricsPath, resumedStep: step)
    if configuration.machine.tensorBoard, step < steps {
      events = try EventWriter(
        folder: folder.path, host: ProcessInfo.processInfo.hostName, wallTime: Date().timeIntervalSince1970, resumedStep: step)
      try events?.appendText(
        "configuration", markdown: "```toml\n\(configuration.toml)\n```", wallTime: Date().timeIntervalSince1970, step: step)
    }
    if step > 0, step < steps { display.note("resuming \(folder.path) after step \(step) of \(steps)") }
    started = .now
  }

  private struct Launch: Codable {
    var step: Int
    var ranks: Int
    var threads: Int
    var host: String
    var time: Double
    var command: [String]
    var arithmetic: Arithmetic
    var dataHash: String
    var experimentHash: String
    var sgemmGflops: Double
  }

  private func writeLaunch(step: Int, arithmetic: Arithmetic, dataHash: String, ranks: Int) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    let launch = Launch(
      step: step, ranks: ranks, threads: plan.threads, host: ProcessInfo.processInfo.hostName, time: Date().timeIntervalSince1970,
      command: command, arithmetic: arithmetic, dataHash: dataHash, experimentHash: configuration.experimentHash,
      sgemmGflops: sgemm / 1e9)
    _ = try folder.writeLaunch([UInt8](try encoder.encode(launch)))
  }

  /// The arithmetic of the newest start that left a record.
  private func lastArithmetic() throws -> Arithmetic? {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.launchesPath)) ?? []
    let numbers = names.filter { $0.hasSuffix(".json") }.compactMap { name in Int(name.dropLast(5)).map { ($0, name) } }
    guard let newest = numbers.max(by: { $0.0 < $1.0 })?.1 else { return nil }
    let path = folder.launchesPath + "/" + newest
    guard let bytes = FileManager.default.contents(atPath: path), let launch = try? JSONDecoder().decode(Launch.self, from: bytes) else {
      warn("\(path) cannot be read, so this start cannot be compared with the last one's arithmetic.")
      return nil
    }
    return launch.arithmetic
  }

  /// Leaves the display, and draws the curve.
  func finish() throws {
    display.finish()
    try LearningCurve.write(
      metrics: folder.metricsPath, to: folder.curvePath, options: .init(title: "\(configuration.name): loss (\(configuration.objective))"))
  }

  // MARK: - Steps

  /// Takes a step into the record; written by `log`.
  func note(_ outcome: StepOutcome, finished step: Int, validation: Double?, epoch: Double, samplesPerStep: Int) {
    let tokens = Double(samplesPerStep * model.context)
    interval.seconds += outcome.stepSeconds
    interval.steps += 1
    interval.tokens += tokens
    interval.flops += model.trainingFlopsPerToken(length: model.context, headFraction: min(1, outcome.counts[0] / tokens)) * tokens
    self.validation = validation ?? self.validation
    let names = termNames(outcome.termLosses.count)
    last = StepRecord(
      step: step, epoch: epoch, tokens: step * samplesPerStep * model.context,
      losses: zip(names, outcome.termLosses).map { Named($0, $1) }, loss: outcome.loss, validationLoss: validation,
      learningRate: outcome.learningRate, gradientNorm: outcome.gradientNorm, lossDigest: outcome.lossDigest,
      targetCounts: zip(names, outcome.counts).map { Named($0, Int($1.rounded())) }, repeats: outcome.repeats,
      tokensPerSecond: interval.tokens / interval.seconds, mfu: sgemm > 0 ? interval.flops / interval.seconds / sgemm : nil,
      stepSeconds: outcome.stepSeconds, seconds: outcome.seconds.map { Named($0.stop, $0.seconds) },
      exposedCommunicationSeconds: outcome.exposedSeconds, wallTime: Date().timeIntervalSince1970)
    show()
  }

  var termNamesSource: [String] = []

  private func termNames(_ count: Int) -> [String] {
    termNamesSource.count == count ? termNamesSource : (0..<count).map { "term\($0)" }
  }

  private func show() {
    guard let last else { return }
    let elapsed = (ContinuousClock.now - started).inSeconds
    display.show(
      ProgressSnapshot(last, totalSteps: steps, startStep: firstStep, elapsedSeconds: elapsed, validationLoss: validation),
      now: elapsed)
  }

  func log() throws {
    guard let last else { return }
    try metrics?.append(last)
    try events?.append(last)
    interval = (0, 0, 0, 0)
  }

  /// Writes a checkpoint and removes those that need not be kept.
  func save(_ contents: CheckpointContents) throws {
    if case .replacedDamaged(let problem) = try folder.commit(contents) { warn(problem) }
    damaged.remove(contents.state.step)
    try folder.prune(
      RetentionPolicy(
        keepLast: configuration.machine.keepLast,
        everySteps: configuration.machine.keepEverySteps > 0 ? configuration.machine.keepEverySteps : nil),
      damaged: damaged)
  }
}
