import Core
import Objectives
import Optimizers
import Storage

/// A run as its configuration describes it, every default filled in.
///
/// Sections `data` to `duration` say what is computed: their hash is fixed for a run folder (`duration` apart, so that a
/// finished run can be extended). Section `machine` says where and how, and may change at every start.
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
    /// Minutes between checkpoints by rank 0's clock; 0 for none by the clock.
    public var checkpointMinutes: Double
    /// Steps between checkpoints; 0 for none by steps.
    public var checkpointSteps: Int
    public var keepLast: Int
    public var keepEverySteps: Int
    public var progress: String
    public var tensorBoard: Bool
    public var bucketMegabytes: Double
    /// Seconds without progress after which a rank counts as stalled; 0: never.
    public var stallSeconds: Double
    /// `heal`, `stop` or `off`.
    public var divergence: String
  }

  public var name: String
  public var seed: UInt64
  public var data: Data
  public var objective: String
  public var objectiveOptions: any ObjectiveOptions
  /// The main model; `vocabulary` is 0 until the corpus is known.
  public var model: ModelConfiguration
  public var initFrom: String
  public var batch: Int
  public var microBatch: Int
  public var sum: String
  public var optimizer: AdamWOptions
  public var schedule: LearningRateSchedule
  public var duration: Duration
  public var machine: Machine
  /// The resolved file, every default written out.
  public var toml: String
  /// The same by key path, such as `optimizer.beta2`, each value as TOML writes it.
  public var values: [(key: String, text: String)]
  /// Where the run keeps its checkpoints and logs.
  public var folder: String { "\(machine.runs)/\(name)" }
  /// SHA-256 over the resolved sections that decide the bits.
  public var experimentHash: String

  /// - Throws: `ConfigurationError` with every problem there is.
  public init(toml text: String, place: String, settings: [String] = []) throws(ConfigurationError) {
    var root = try ConfigurationNode.parse(text, place: place)
    for setting in settings {
      // A duration given on the command line replaces the file's, whatever its unit.
      if setting.hasPrefix("duration."), case .table(var table) = root {
        table["duration"] = nil
        root = .table(table)
      }
      root = try root.setting(setting)
    }
    try self.init(root)
  }

  public init(_ root: ConfigurationNode) throws(ConfigurationError) {
    let reader = ConfigurationReader(root)
    name = reader.string("name", default: "run")
    if !isPlainFileName(name) || name.hasPrefix(".") {
      reader.note("name", "is \"\(name)\"; it names a folder, so it must not be empty, begin with a point or contain a slash.")
    }
    seed = UInt64(reader.integer("seed", default: 1, in: 0...Int.max))
    data = Data(corpus: reader.string("data.corpus", default: ""), frame: reader.choice("data.frame", default: .auto))
    if data.corpus.isEmpty { reader.note("data.corpus", "is missing; it is the folder that lockstep prepare wrote.") }
    objective = reader.string("objective.name", default: "ar")
    let entry = Self.entry(objective, reader)
    objectiveOptions = Self.options(entry, reader)
    initFrom = reader.string("init.from", default: "")
    model = Self.model(entry.visibility, reader)
    batch = reader.integer("batch.samples", default: 32, in: 1...1_000_000)
    microBatch = reader.integer("batch.microBatch", default: min(batch, 8), in: 1...1_000_000)
    Self.checkBatch(batch, microBatch, objectiveOptions.repetition, reader)
    Self.checkSize(model, batch: batch, microBatch: microBatch, reader)
    sum = reader.string("batch.sum", default: "exact")
    if !["exact", "float"].contains(sum) { reader.note("batch.sum", "is \"\(sum)\"; it must be one of exact, float.") }
    optimizer = Self.optimizer(reader)
    schedule = Self.schedule(reader)
    duration = Self.duration(reader)
    machine = Self.machine(reader)
    reader.noteUnknownKeys()
    toml = reader.toml()
    values = reader.values
    experimentHash = Self.hash(reader)
    guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
  }

  /// Everything that decides the bits but the data, which checkpoints name by content: the path of a corpus may change, and so may the
  /// name of the run. Values are hashed, not their spellings, and of paths what they lead to.
  private static func hash(_ reader: ConfigurationReader) -> String {
    let hashed = reader.values.filter { key, _ in
      !["name", "data.corpus"].contains(key) && !key.hasPrefix("machine.") && !key.hasPrefix("duration.")
    }
    let lines = hashed.map { key, text in
      guard key == "init.from", case .string(let path)? = reader.find(key), !path.isEmpty else { return "\(key) = \(text)" }
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

  private static func options(_ entry: ObjectiveEntry, _ reader: ConfigurationReader) -> any ObjectiveOptions {
    let options = reader.options((entry.defaultOptions, { try entry.decode($0) }), section: "objective")
    return options as? any ObjectiveOptions ?? entry.defaultOptions
  }

  private static func checkBatch(_ batch: Int, _ microBatch: Int, _ repetition: SampleRepetition, _ reader: ConfigurationReader) {
    if batch > 0, microBatch > 0, batch % microBatch != 0 {
      reader.note("batch.samples", "is \(batch); it must be a whole number of micro-batches of batch.microBatch = \(microBatch).")
    } else if microBatch > 0, batch / microBatch > 4096 {
      reader.note("batch.microBatch", "is \(microBatch); a batch of \(batch) may have at most 4096 micro-batches.")
    } else if let problem = repetition.problem(batch: batch, microBatch: microBatch) {
      reader.note(problem.key, problem.sentence)
    }
  }

  /// Refuses sizes no machine has, before anything multiplies them as integers.
  private static func checkSize(_ m: ModelConfiguration, batch: Int, microBatch: Int, _ reader: ConfigurationReader) {
    let activations = 4.0 * Double(microBatch) * Double(m.context) * Double(m.layers) * Double(12 * m.width + 3 * m.feedForward)
    let parameters = 20.0 * Double(m.layers) * Double(m.width) * Double(4 * m.width + 3 * m.feedForward)
    if activations + parameters > 1e14 {
      reader.note(
        "model", "and batch.microBatch need about \(Int((activations + parameters) / 1e12)) TB of memory a thread; make the model or the micro-batch smaller.")
    }
    if Double(batch) * Double(m.context) > 1e10 {
      reader.note("batch.samples", "is \(batch); a batch may have at most 10,000,000,000 tokens.")
    }
  }

  private static func model(_ visibility: ModelConfiguration.Visibility, _ reader: ConfigurationReader) -> ModelConfiguration {
    let fallback = visibility == .causal ? "gpt2" : "bert"
    let architecture = reader.string("model.architecture", default: fallback)
    let context = reader.integer("model.context", default: 128, in: 1...1_048_576)
    let width = reader.integer("model.width", default: 128, in: 1...65_536)
    let layers = reader.integer("model.layers", default: 4, in: 1...1000)
    let heads = reader.integer("model.heads", default: max(1, width / 32), in: 1...65_536)
    var base: ModelConfiguration
    switch architecture {
    case "gpt2": base = .gpt2(vocabulary: 0, context: context, width: width, layers: layers, heads: heads)
    case "bert": base = .bert(vocabulary: 0, context: context, width: width, layers: layers, heads: heads)
    case "llama":
      // 8/3 of the width, rounded to whole vectors: three matrices then cost what GPT-2's two do.
      let inner = (width * 8 / 3 + 31) / 32 * 32
      base = .llama(vocabulary: 0, context: context, width: width, layers: layers, heads: heads, feedForward: inner)
    default:
      reader.note("model.architecture", "is \"\(architecture)\"; it must be one of gpt2, bert, llama, whose settings the other keys then change.")
      base = .gpt2(vocabulary: 0, context: context, width: width, layers: layers, heads: heads)
    }
    base.visibility = visibility
    switches(&base, reader)
    for problem in base.problems(prefix: "model") { reader.note(problem.key, problem.sentence) }
    return base
  }

  private static func switches(_ m: inout ModelConfiguration, _ reader: ConfigurationReader) {
    m.feedForward = reader.integer("model.feedForward", default: m.feedForward, in: 1...1_048_576)
    m.norm = reader.choice("model.norm", default: m.norm)
    m.normPlacement = reader.choice("model.normPlacement", default: m.normPlacement)
    m.normEpsilon = Float(reader.number("model.normEpsilon", default: shortest(m.normEpsilon)))
    m.initializerRange = Float(reader.number("model.initializerRange", default: shortest(m.initializerRange)))
    m.activation = reader.choice("model.activation", default: m.activation)
    m.positions = reader.choice("model.positions", default: m.positions)
    m.rotaryBase = Float(reader.number("model.rotaryBase", default: shortest(m.rotaryBase)))
    m.tiedHead = reader.boolean("model.tiedHead", default: m.tiedHead)
    m.bias = reader.boolean("model.bias", default: m.bias)
    m.tokenTypes = reader.integer("model.tokenTypes", default: m.tokenTypes, in: 0...16)
    m.headTransform = reader.boolean("model.headTransform", default: m.headTransform)
    m.embeddingWidth = reader.integer("model.embeddingWidth", default: m.embeddingWidth, in: 0...65_536)
    m.dropout = Float(reader.number("model.dropout", default: shortest(m.dropout)))
    m.attentionDropout = Float(reader.number("model.attentionDropout", default: shortest(m.dropout)))
  }

  /// A float as the double with its shortest decimals: 1e-5 stays 1e-05 in the resolved file.
  private static func shortest(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }

  private static func optimizer(_ reader: ConfigurationReader) -> AdamWOptions {
    var o = AdamWOptions()
    o.learningRate = reader.number("optimizer.learningRate", default: o.learningRate, in: 0...100)
    o.beta1 = reader.number("optimizer.beta1", default: o.beta1, in: 0...0.9999999)
    o.beta2 = reader.number("optimizer.beta2", default: o.beta2, in: 0...0.9999999)
    o.epsilon = reader.number("optimizer.epsilon", default: o.epsilon, in: 1e-30...1)
    o.weightDecay = reader.number("optimizer.weightDecay", default: o.weightDecay, in: 0...100)
    o.clipNorm = reader.number("optimizer.clipNorm", default: o.clipNorm, in: 0...1e9)
    return o
  }

  private static func schedule(_ reader: ConfigurationReader) -> LearningRateSchedule {
    LearningRateSchedule(
      shape: reader.choice("schedule.shape", default: .cosine),
      warmupSteps: reader.integer("schedule.warmupSteps", default: 0, in: 0...1_000_000_000),
      finalShare: reader.number("schedule.finalShare", default: 0.1, in: 0...1),
      decayShare: reader.number("schedule.decayShare", default: 0.2, in: 0...1))
  }

  private static func duration(_ reader: ConfigurationReader) -> Duration {
    let given = [Duration.Unit.steps, .tokens, .epochs].filter { reader.find("duration.\($0.rawValue)") != nil }
    if given.count > 1 {
      reader.note("duration", "has \(given.map(\.rawValue).joined(separator: " and ")); give one of steps, tokens, epochs.")
    }
    let unit = given.first ?? .steps
    if given.isEmpty { reader.note("duration.steps", "is missing; give one of duration.steps, duration.tokens, duration.epochs.") }
    for other in given.dropFirst() { _ = reader.number("duration.\(other.rawValue)", default: 0) }
    let amount =
      unit == .epochs
      ? reader.number("duration.epochs", default: 1, in: 1e-9...1e9)
      : Double(reader.integer("duration.\(unit.rawValue)", default: 1, in: 1...(unit == .steps ? 100_000_000 : 1_000_000_000_000_000)))
    return Duration(unit: unit, amount: amount)
  }

  private static func machine(_ reader: ConfigurationReader) -> Machine {
    let most = 1...1_000_000_000
    let machine = Machine(
      runs: reader.string("machine.runs", default: "runs"),
      threads: reader.integer("machine.threads", default: 0, in: 0...1024),
      logSteps: reader.integer("machine.logSteps", default: 10, in: most),
      validationSteps: reader.integer("machine.validationSteps", default: 250, in: most),
      validationSamples: reader.integer("machine.validationSamples", default: 512, in: 0...1_000_000_000),
      checkpointMinutes: reader.number("machine.checkpointMinutes", default: 10, in: 0...1_000_000),
      checkpointSteps: reader.integer("machine.checkpointSteps", default: 0, in: 0...1_000_000_000),
      keepLast: reader.integer("machine.keepLast", default: 2, in: most),
      keepEverySteps: reader.integer("machine.keepEverySteps", default: 0, in: 0...1_000_000_000),
      progress: reader.string("machine.progress", default: "auto"),
      tensorBoard: reader.boolean("machine.tensorBoard", default: true),
      bucketMegabytes: reader.number("machine.bucketMegabytes", default: 4, in: 0.001...1024),
      stallSeconds: reader.number("machine.stallSeconds", default: 600, in: 0...1e9),
      divergence: reader.string("machine.divergence", default: "heal"))
    if !["heal", "stop", "off"].contains(machine.divergence) {
      reader.note("machine.divergence", "is \"\(machine.divergence)\"; it must be one of heal, stop, off.")
    }
    if machine.runs.isEmpty { reader.note("machine.runs", "is empty; it is the folder that run folders are made in, such as runs.") }
    if !["auto", "bar", "plain", "none"].contains(machine.progress) {
      reader.note("machine.progress", "is \"\(machine.progress)\"; it must be one of auto, bar, plain, none.")
    }
    return machine
  }

  /// Which text each position of the run's stream reads.
  public var stream: RepeatedStream { RepeatedStream(objectiveOptions.repetition, batch: batch, microBatch: microBatch) }

  /// What goes from the first planned step to the last, by name: a run planned anew in the middle has other bits from there on.
  public var schedules: [String] {
    (schedule.shape == .constant ? [] : ["the \(schedule.shape.rawValue) schedule"]) + (objectiveOptions.followsProgress ? ["the objective's schedule"] : [])
  }

  /// Optimiser steps for a corpus of so many samples an epoch.
  public func steps(samplesPerEpoch: Int, tokensPerSample: Int) -> Int {
    let amount =
      switch duration.unit {
      case .steps: duration.amount
      case .tokens: (duration.amount / Double(batch * tokensPerSample)).rounded(.up)
      case .epochs: (duration.amount * Double(samplesPerEpoch) / Double(batch)).rounded(.up)
      }
    // Positions in the stream and counts of tokens must fit their integers whatever the corpus.
    return max(1, Int(min(amount, 100_000_000)))
  }
}
