import Checkpoints
import Collectives
import Core
import Metrics
import Objectives
import Optimizers
import Storage

/// A run as its configuration describes it, every default filled in.
///
/// Sections `data` to `duration` say what is computed: their hash is fixed for a run folder (`duration` apart, so that
/// a finished run can be extended). Section `machine` says where and how, and may change at every start.
public struct RunConfiguration: Sendable {
  public struct Data: Sendable {
    public enum Frame: String, CaseIterable, Sendable {
      /// [CLS] … [SEP] for bidirectional models whose tokeniser has both, nothing otherwise.
      case auto
      case none
      case clsSep = "cls-sep"
    }
    public var corpus: String
    public var frame: Frame
    /// Sizes of a patch of a corpus of numbers, one per axis; empty for single numbers.
    public var patch: [Int]
    /// Every channel has positions of its own.
    public var separateChannels: Bool
    /// Rows of a sample that is cut out of sequences, or of records of one axis; 0 for whole records.
    public var window: Int
    /// Rows from one window of a document to the next in training; 0 for `window`.
    public var stride: Int
  }

  public struct Duration: Sendable, Equatable {
    public enum Unit: String, Sendable { case steps, tokens, epochs }
    public var unit: Unit
    public var amount: Double
  }

  public struct Machine: Sendable {
    public var runs: String
    public var threads: Int
    public var logSteps: Int
    public var validationSteps: Int
    public var validationSamples: Int
    /// Minutes between checkpoints by rank 0's clock; 0 disables them.
    public var checkpointMinutes: Double
    /// Steps between checkpoints; 0 disables them.
    public var checkpointSteps: Int
    public var keepLast: Int
    public var keepEverySteps: Int
    public var progress: ProgressMode
    public var tensorboard: Bool
    public var bucketMegabytes: Double
    /// Seconds without progress after which a rank counts as stalled; 0: never.
    public var stallSeconds: Double
    public var divergence: DivergencePolicy
  }

  public var name: String
  public var seed: UInt64
  public var data: Data
  public var objective: String
  public var objectiveOptions: any ObjectiveOptions
  /// What the objective needs under these options.
  public var requirements: ObjectiveRequirements
  /// The main model; `vocabulary` is 0 until the corpus is known.
  public var model: ModelConfiguration
  public var initFrom: String
  /// What `[model]` left out and takes from `init.from`, as `key = value`; empty where it says everything or starts
  /// from nothing.
  public var takenFromInitial: [String]
  /// The shape that was read from `init.from`; nil where nothing was taken from it.
  public var initial: InitialModel?
  public var batch: Int
  public var microBatch: Int
  public var sum: SumArithmetic
  public var optimizer: AdamWOptions
  public var schedule: LearningRateSchedule
  public var duration: Duration
  public var machine: Machine
  /// The resolved file, every default written out.
  public var toml: String
  /// The same by key path, such as `optimizer.beta2`, each value as TOML writes it.
  public var values: [(key: String, text: String)]
  /// Every key that was read, with its type, default, range and sentence.
  public var keys: [ConfigurationKey]
  /// Where the run keeps its checkpoints and logs.
  public var folder: String { "\(machine.runs)/\(name)" }
  /// SHA-256 over the resolved sections that decide the bits.
  public var experimentHash: String

  /// - Parameter read: reads the shape of `init.from`, where `[model]` leaves something out.
  /// - Throws: `ConfigurationError` with every problem there is.
  public init(
    toml text: String, place: String, settings: [String] = [], read: InitialModel.Reader = InitialModel.read
  ) throws(ConfigurationError) {
    var root = try ConfigurationNode.parse(text, place: place)
    for setting in settings {
      // A duration given on the command line replaces the file's, whatever its unit.
      if setting.hasPrefix("duration."), case .table(var table) = root {
        table["duration"] = nil
        root = .table(table)
      }
      root = try root.setting(setting)
    }
    try self.init(root, read: read)
  }

  public init(_ root: ConfigurationNode, read: InitialModel.Reader = InitialModel.read) throws(ConfigurationError) {
    if case .table(let table) = root, table["arms"] != nil || table["budget"] != nil {
      throw ConfigurationError(
        "",
        "This is a comparison, with \(table["arms"] != nil ? "arms" : "a budget"), and not the configuration of one run; lockstep compare runs it."
      )
    }
    let reader = ConfigurationReader(root)
    name = reader.string(
      "name", default: "run", "Names the run and its folder, which is machine.runs/name; a plain file name.")
    if !isPlainFileName(name) || name.hasPrefix(".") {
      reader.note(
        "name",
        "is \"\(name)\"; it names a folder, so it must not be empty, begin with a point, or contain a slash or a control character."
      )
    }
    seed = UInt64(
      reader.integer(
        "seed", default: 1, in: 0...Int.max, "Decides initial weights, the order of samples, masks and dropout."))
    data = Self.data(reader)
    objective = reader.string(
      "objective.name", default: "ar",
      "The objective, one of those that `lockstep objectives` lists; it decides which options the section has.")
    let entry = Self.entry(objective, reader)
    objectiveOptions = Self.options(entry, reader)
    requirements = entry.requirements(objectiveOptions)
    initFrom = reader.string(
      "init.from", default: "",
      "A folder to take the first weights from: a checkpoint, an export, or a GPT-2, BERT, ELECTRA or Llama that transformers saved. What [model] leaves out is taken from it; empty for random weights."
    )
    let runs = reader.find("machine.runs").flatMap { if case .string(let path) = $0 { path } else { nil } } ?? "runs"
    let (found, unreadable) = Self.initial(initFrom, runFolder: "\(runs)/\(name)", reader, read)
    let section = ModelSection(requirements, from: found, reader)
    (initial, model, takenFromInitial) = (found, section.model, section.taken)
    batch = reader.integer(
      "batch.samples", default: 32, in: 1...1_000_000, "Samples of an optimiser step; a whole number of micro-batches.")
    microBatch = reader.integer(
      "batch.micro_batch", default: min(batch, 8), in: 1...1_000_000,
      "Samples computed together, the unit that is distributed to ranks and threads; by default 8, or batch.samples where that is less. Memory of activations grows with it."
    )
    Self.checkBatch(batch, microBatch, requirements.repetition, reader)
    Self.checkSize(model, batch: batch, microBatch: microBatch, reader)
    sum = reader.choice(
      "batch.sum", default: .exact,
      "How gradients are added: exact gives the same bits on any number of ranks, float is the control that does not.")
    optimizer = Self.optimizer(reader)
    schedule = Self.schedule(reader)
    duration = Self.duration(reader)
    machine = Self.machine(reader)
    reader.noteUnknownKeys { Self.optionElsewhere($0, than: entry.name) }
    (toml, values, keys) = (reader.toml(), reader.values, reader.keys)
    experimentHash = Self.hash(reader)
    guard reader.problems.isEmpty else {
      // A folder that cannot be used is no mistake in the file, where it is all that is wrong.
      throw ConfigurationError(
        problems: reader.problems, exitCode: reader.problems.count == 1 ? unreadable ?? .usage : .usage)
    }
  }

  private static func data(_ reader: ConfigurationReader) -> Data {
    let data = Data(
      corpus: reader.string("data.corpus", default: "", "The folder that `lockstep prepare` wrote; it must be given."),
      frame: reader.choice(
        "data.frame", default: .auto,
        "Puts [CLS] and [SEP] around each sample (cls-sep) or nothing (none); auto is cls-sep for bidirectional models, where the tokeniser has both."
      ),
      patch: reader.integers(
        "data.patch", default: [], in: 1...1_048_576,
        "Of a corpus of numbers: sizes of a patch, one per axis of a record, such as [4, 4]; empty for single numbers."),
      separateChannels: reader.boolean(
        "data.separate_channels", default: false, "Of a corpus of numbers: every channel has positions of its own."),
      window: reader.integer(
        "data.window", default: 0, in: 0...1_048_576,
        "Of a corpus of series: rows of a sample. Sequences of unequal length need it; 0 reads whole records."),
      stride: reader.integer(
        "data.stride", default: 0, in: 0...1_048_576,
        "Rows from one window of a series to the next in training; 0 is data.window. Validation windows do not overlap."
      ))
    if data.stride > 0, data.window == 0 {
      reader.note("data.stride", "is \(data.stride), and there are no windows; set data.window, or leave it out.")
    }
    if data.corpus.isEmpty { reader.note("data.corpus", "is missing; it is the folder that lockstep prepare wrote.") }
    return data
  }

  /// The shape of `init.from`, where `[model]` leaves something out. A run that has begun remembers it without the
  /// folder.
  /// - Returns: also the exit code of a folder that cannot be read.
  private static func initial(
    _ path: String, runFolder: String, _ reader: ConfigurationReader, _ read: InitialModel.Reader
  ) -> (InitialModel?, unreadable: ExitCode?) {
    let silent = ModelSection.keys.count { reader.find("model.\($0)") == nil }
    guard !path.isEmpty, silent > 0 else { return (nil, nil) }
    do { return (try read(path), nil) } catch {
      if let past = past(runFolder), past.initFrom == path { return (InitialModel(path: path, shape: past.model), nil) }
      // The resolved file of an earlier version, which did not have the newest keys yet; its weights need the folder no
      // more.
      if silent <= 2 { return (nil, nil) }
      reader.note("init.from", "is \"\(path)\", whose model cannot be read: \(error)")
      return (nil, (error as? any LockstepError)?.exitCode ?? .data)
    }
  }

  /// The configuration that a run folder keeps, if it says everything: then nothing else is read for it.
  private static func past(_ runFolder: String) -> RunConfiguration? {
    guard let text = try? RunFolder(runFolder).configuration(),
      let root = try? ConfigurationNode.parse(text, place: runFolder)
    else { return nil }
    let reader = ConfigurationReader(root)
    return ModelSection.keys.allSatisfy { reader.find("model.\($0)") != nil } ? try? Self(root) : nil
  }

  /// Everything that decides the bits but the data, which checkpoints name by content: the path of a corpus may change,
  /// and so may the name of the run. Values are hashed, not their spellings, and of paths what they lead to.
  private static func hash(_ reader: ConfigurationReader) -> String {
    let hashed = reader.values.filter { key, text in
      // Younger than runs that may go on: where they do nothing they are left out.
      if ["data.window", "data.stride"].contains(key), text == "0" { return false }
      return !["name", "data.corpus"].contains(key) && !key.hasPrefix("machine.") && !key.hasPrefix("duration.")
    }
    let lines = hashed.map { key, text in
      guard key == "init.from", case .string(let path)? = reader.find(key), !path.isEmpty else {
        return "\(key) = \(text)"
      }
      return "\(key) = \(ConfigurationNode.string(canonicalPath(path)).text)"
    }
    return SHA256.of(lines.joined(separator: "\n"))
  }

  private static func entry(_ name: String, _ reader: ConfigurationReader) -> ObjectiveEntry {
    if let entry = ObjectiveRegistry.entry(named: name) { return entry }
    let names = ObjectiveRegistry.entries.map(\.name)
    reader.note("objective.name", "is \"\(name)\"; it must be one of \(names.joined(separator: ", ")).")
    return ObjectiveRegistry.entries[0]
  }

  /// For an option that this objective does not have: the objectives that have it.
  private static func optionElsewhere(_ key: String, than objective: String) -> String? {
    guard key.hasPrefix("objective.") else { return nil }
    let option = String(key.dropFirst("objective.".count))
    let owners = ObjectiveRegistry.entries.filter { entry in
      optionProperties(entry.defaultOptions).contains { snakeCase($0.name) == option }
    }
    guard !owners.isEmpty else { return nil }
    return "is not an option of \(objective), but of \(owners.map(\.name).joined(separator: ", "))."
  }

  private static func options(_ entry: ObjectiveEntry, _ reader: ConfigurationReader) -> any ObjectiveOptions {
    let options = reader.options(
      (entry.defaultOptions, { try entry.decode($0) }), section: "objective", sentences: entry.optionSentences)
    return options as? any ObjectiveOptions ?? entry.defaultOptions
  }

  private static func checkBatch(
    _ batch: Int, _ microBatch: Int, _ repetition: SampleRepetition, _ reader: ConfigurationReader
  ) {
    if batch > 0, microBatch > 0, batch % microBatch != 0 {
      reader.note(
        "batch.samples", "is \(batch); it must be a whole number of micro-batches of batch.micro_batch = \(microBatch)."
      )
    } else if microBatch > 0, batch / microBatch > 4096 {
      reader.note("batch.micro_batch", "is \(microBatch); a batch of \(batch) may have at most 4096 micro-batches.")
    } else if let problem = repetition.problem(batch: batch, microBatch: microBatch) {
      reader.note(problem.key, problem.sentence)
    }
  }

  /// Refuses sizes no machine has, before anything multiplies them as integers.
  private static func checkSize(_ m: ModelConfiguration, batch: Int, microBatch: Int, _ reader: ConfigurationReader) {
    let activations =
      4.0 * Double(microBatch) * Double(m.maxPosition) * Double(m.numLayers)
      * Double(12 * m.hiddenSize + 3 * m.intermediateSize)
    let parameters =
      20.0 * Double(m.numLayers) * Double(m.hiddenSize) * Double(4 * m.hiddenSize + 3 * m.intermediateSize)
    if activations + parameters > 1e14 {
      reader.note(
        "model",
        "and batch.micro_batch need about \(Int((activations + parameters) / 1e12)) TB of memory per thread; make the model or the micro-batch smaller."
      )
    }
    if Double(batch) * Double(m.maxPosition) > 1e10 {
      reader.note("batch.samples", "is \(batch); a batch may have at most 10,000,000,000 tokens.")
    }
  }

  private static func optimizer(_ reader: ConfigurationReader) -> AdamWOptions {
    var o = AdamWOptions()
    o.learningRate = reader.number(
      "optimizer.learning_rate", default: o.learningRate, in: 0...100,
      "The peak rate of AdamW, which the schedule scales.")
    o.beta1 = reader.number("optimizer.beta1", default: o.beta1, in: 0...0.9999999, "Decay of the first moment.")
    o.beta2 = reader.number("optimizer.beta2", default: o.beta2, in: 0...0.9999999, "Decay of the second moment.")
    o.eps = reader.number("optimizer.eps", default: o.eps, in: 1e-30...1, "Added to the root of the second moment.")
    o.weightDecay = reader.number(
      "optimizer.weight_decay", default: o.weightDecay, in: 0...100,
      "Decoupled weight decay, on matrices and embeddings only, not on biases and norms.")
    o.maxGradNorm = reader.number(
      "optimizer.max_grad_norm", default: o.maxGradNorm, in: 0...1e9,
      "The global norm gradients are clipped to; 0 switches clipping off.")
    return o
  }

  private static func schedule(_ reader: ConfigurationReader) -> LearningRateSchedule {
    LearningRateSchedule(
      type: reader.choice(
        "schedule.type", default: .cosine,
        "How the rate falls after warm-up: not at all, in a straight line, as half a cosine, or as wsd: stable and then a line at the end."
      ),
      warmupSteps: reader.integer(
        "schedule.warmup_steps", default: 0, in: 0...1_000_000_000,
        "Steps over which the rate rises in a line: step s of W, counted from 0, has (s + 1) / W of the peak."),
      minLrFactor: reader.number(
        "schedule.min_lr_factor", default: 0.1, in: 0...1,
        "What the rate falls to, as a share of the peak; with 0 the last step still has a rate above 0."),
      decayRatio: reader.number(
        "schedule.decay_ratio", default: 0.2, in: 0...1, "Share of the steps after warm-up that wsd decays over."))
  }

  private static func duration(_ reader: ConfigurationReader) -> Duration {
    let given = [Duration.Unit.steps, .tokens, .epochs].filter { reader.find("duration.\($0.rawValue)") != nil }
    if given.count > 1 {
      reader.note(
        "duration", "has \(given.map(\.rawValue).joined(separator: " and ")); give one of steps, tokens, epochs.")
    }
    let unit = given.first ?? .steps
    if given.isEmpty {
      reader.note("duration.steps", "is missing; give one of duration.steps, duration.tokens, duration.epochs.")
    }
    for other in given.dropFirst() { _ = reader.number("duration.\(other.rawValue)", default: 0) }
    let amount =
      switch unit {
      case .epochs:
        reader.number(
          "duration.epochs", default: 1, in: 1e-9...1e9, "Passes over the training split; rounded up to whole steps.")
      case .steps:
        Double(reader.integer("duration.steps", default: 1, in: 1...mostSteps, "Optimiser steps of the whole run."))
      case .tokens:
        Double(
          reader.integer(
            "duration.tokens", default: 1, in: 1...1_000_000_000_000_000,
            "Tokens of the whole run, samples times model.max_position; rounded up to whole steps."))
      }
    return Duration(unit: unit, amount: amount)
  }

  private static func machine(_ reader: ConfigurationReader) -> Machine {
    let most = 1...1_000_000_000
    let machine = Machine(
      runs: reader.string("machine.runs", default: "runs", "The folder that run folders are made in."),
      threads: reader.integer(
        "machine.threads", default: 0, in: 0...1024, "Computing threads per rank; 0 takes the CPUs this rank may use."),
      logSteps: reader.integer("machine.log_steps", default: 10, in: most, "Steps between lines of metrics.jsonl."),
      validationSteps: reader.integer(
        "machine.validation_steps", default: 250, in: most, "Steps between validations; the last step has one too."),
      validationSamples: reader.integer(
        "machine.validation_samples", default: 512, in: 0...1_000_000_000,
        "Windows of the validation split that `val` is over, evenly spread; 0 takes all. The checkpoint named best is chosen by it."
      ),
      checkpointMinutes: reader.number(
        "machine.checkpoint_minutes", default: 10, in: 0...1_000_000,
        "Minutes between checkpoints by rank 0's clock; 0 disables them."),
      checkpointSteps: reader.integer(
        "machine.checkpoint_steps", default: 0, in: 0...1_000_000_000, "Steps between checkpoints; 0 disables them."),
      keepLast: reader.integer(
        "machine.keep_last", default: 2, in: most, "Newest checkpoints that are kept, besides the best."),
      keepEverySteps: reader.integer(
        "machine.keep_every_steps", default: 0, in: 0...1_000_000_000,
        "Keeps the checkpoints of every so many steps for good; 0 keeps none."),
      progress: reader.choice(
        "machine.progress", default: .auto,
        "How progress is shown: one line that is written over, lines for a log, or nothing; auto is a bar on a terminal and lines elsewhere."
      ),
      tensorboard: reader.boolean(
        "machine.tensorboard", default: true, "Event files for TensorBoard are written into the run folder."),
      bucketMegabytes: reader.number(
        "machine.bucket_megabytes", default: 4, in: 0.001...1024,
        "Size of the pieces in which gradients are summed over ranks."),
      stallSeconds: reader.number(
        "machine.stall_seconds", default: 600, in: 0...1e9,
        "Seconds without progress of a rank after which the job ends with code 7; 0 for never."),
      divergence: reader.choice(
        "machine.divergence", default: .repair,
        "What is done when replicas differ: repair them, end with code 4, or do not compare them."))
    if machine.runs.isEmpty {
      reader.note("machine.runs", "is empty; it is the folder that run folders are made in, such as runs.")
    }
    return machine
  }

  /// Which text each position of the run's stream reads.
  public var stream: RepeatedStream { RepeatedStream(requirements.repetition, batch: batch, microBatch: microBatch) }

  /// What goes from the first planned step to the last, by name: a run planned anew in the middle has other bits from
  /// there on.
  public var schedules: [String] {
    (schedule.type == .constant ? [] : ["the \(schedule.type.rawValue) schedule"])
      + (requirements.followsProgress ? ["the objective's schedule"] : [])
  }

  static let mostSteps = 100_000_000

  /// Optimiser steps for a corpus of so many samples per epoch.
  /// - Throws: `ConfigurationError` where the duration comes to more steps than a run can have.
  public func steps(samplesPerEpoch: Int, tokensPerSample: Int) throws(ConfigurationError) -> Int {
    let amount =
      switch duration.unit {
      case .steps: duration.amount
      case .tokens: (duration.amount / Double(batch * tokensPerSample)).rounded(.up)
      case .epochs: (duration.amount * Double(samplesPerEpoch) / Double(batch)).rounded(.up)
      }
    // Positions in the stream and counts of tokens must fit their integers whatever the corpus.
    guard amount <= Double(Self.mostSteps) else {
      throw ConfigurationError(
        "duration.\(duration.unit.rawValue)", is: ConfigurationNode.number(duration.amount).text,
        rule:
          "with this corpus and batch.samples = \(batch) it comes to \(Int(min(amount, 1e18))) steps, and a run has at most \(Self.mostSteps)."
      )
    }
    return max(1, Int(amount))
  }
}
