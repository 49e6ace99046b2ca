import Configuration
import Core
import Evaluation
import Measures
import Objectives
import Runs

/// What a comparison is to find out: arms, seeds, a budget, and what is measured.
///
/// A TOML file:
/// ```
/// name = "ahead-or-around"      # its folder, in `folder`
/// corpus = "corpora/notes"      # of all arms that name none of their own
/// seeds = 5                     # 1, 2, … 5
/// [budget]
/// steps = 400                   # or tokens, predictions, flops
/// [run]                         # what all arms share: sections of a run's configuration
/// model.hidden_size = 64
/// [arms.ar]                     # what is the arm's own
/// objective.name = "ar"
/// [arms.mlm]
/// objective.name = "mlm"
/// [measures.left-to-right]      # with its options
/// windows = 64
/// ```
public struct ComparisonFile: Sendable {
  public struct Budget: Sendable, Equatable {
    public enum Unit: String, Codable, CaseIterable, Sendable {
      /// Optimiser steps.
      case steps
      /// Positions the networks read.
      case tokens
      /// Positions with a loss weight, over all terms.
      case predictions
      /// Required flops of training, all networks counted.
      case flops
    }
    public var unit: Unit
    public var amount: Double
  }

  public struct Arm: Sendable {
    public var name: String
    /// The run of a seed without its duration, which the budget decides.
    public var configuration: @Sendable (_ seed: Int, _ steps: Int) throws(ConfigurationError) -> RunConfiguration
  }

  public let name: String
  /// Where its folder is made.
  public let folder: String
  public let seeds: [Int]
  public let budget: Budget
  /// The reference first, the others by name.
  public let arms: [Arm]
  public let measures: [(entry: MeasureEntry, measure: any Measure, options: ConfigurationNode)]
  /// Whether every pair of arms is compared, or each with the reference alone.
  public let allPairs: Bool
  public let split: String
  public let microBatch: Int
  /// The file as it was, for the report.
  public let text: String
  /// Every key but those of arms, with its resolved value.
  let values: [(key: String, text: String)]

  public var path: String { "\(folder)/\(name)" }

  /// - Throws: `ConfigurationError` with every problem there is, each by its key.
  public init(toml text: String, place: String, settings: [String] = []) throws(ConfigurationError) {
    var root = try ConfigurationNode.parse(text, place: place)
    for setting in settings { root = try root.setting(setting) }
    // Where it lies is no part of what was compared.
    let shown = settings.filter { !$0.hasPrefix("folder=") }
    self.text = shown.isEmpty ? text : text + "\n" + shown.map { "# --set \($0)" }.joined(separator: "\n") + "\n"
    guard case .table(var table) = root else { throw ConfigurationError(place, "is not a table.") }
    if table["arms"] == nil,
      let section = ["objective", "model", "duration", "optimizer"].first(where: { table[$0] != nil })
    {
      throw ConfigurationError(
        place,
        "is the configuration of one run, with [\(section)] and no [arms.NAME]; lockstep train runs it. configs/compare/ has comparisons."
      )
    }
    let (shared, own) = (table.removeValue(forKey: "run") ?? .table([:]), table.removeValue(forKey: "arms"))
    guard case .table = shared else {
      throw ConfigurationError(
        "run", "is not a table; it holds what all arms share, such as run.model.hidden_size = 64.")
    }
    let wanted = table["measures"]
    // What is no measure is named as a whole, not option by option.
    if case .table(let all)? = wanted {
      let known = all.filter { MeasureRegistry.entry(named: $0.key) != nil }
      table["measures"] = known.isEmpty ? nil : .table(known)
    }
    let reader = ConfigurationReader(.table(table))
    name = reader.string("name", default: "comparison")
    if !isPlainFileName(name) || name.hasPrefix(".") {
      reader.note(
        "name",
        "is \"\(name)\"; it names a folder, so it must not be empty, begin with a point, or contain a slash or a control character."
      )
    }
    folder = reader.string("folder", default: "comparisons")
    let corpus = reader.string("corpus", default: "")
    seeds = Array(1...max(1, reader.integer("seeds", default: 5, in: 1...1000)))
    budget = Self.budget(reader)
    split = reader.string("split", default: "validation")
    if !["train", "validation"].contains(split) {
      reader.note("split", "is \"\(split)\"; it must be train or validation.")
    }
    microBatch = reader.integer("micro_batch", default: 8, in: 1...100_000)
    let reference = reader.string("reference", default: "")
    let pairs = reader.string("pairs", default: "auto")
    if !["auto", "all", "reference"].contains(pairs) {
      reader.note("pairs", "is \"\(pairs)\"; it must be one of auto, all, reference.")
    }
    measures = Self.measures(wanted, reader)
    arms = Self.arms(own, shared: shared, reference: reference, corpus: corpus, runs: "\(folder)/\(name)/runs", reader)
    // Of nine arms there are 36 pairs, of which two would look resolved by chance.
    allPairs = pairs == "all" || pairs == "auto" && arms.count <= 4
    reader.noteUnknownKeys()
    values = reader.values
    guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
  }

  /// What ranks must have alike: every key, the arms' as their runs resolve them.
  public func rankSettings(_ plans: [ArmPlan]) throws -> RankSettings {
    var all = values.map { (key: $0.key, value: $0.text) }
    for (arm, plan) in zip(arms, plans) {
      all += RankSettings(try arm.configuration(1, plan.steps)).values.map { ("arms.\(arm.name).\($0.key)", $0.value) }
    }
    return RankSettings(all)
  }

  private static func budget(_ reader: ConfigurationReader) -> Budget {
    let given = Budget.Unit.allCases.filter { reader.find("budget.\($0.rawValue)") != nil }
    if given.count != 1 {
      let found = given.isEmpty ? "is missing" : "has \(given.map(\.rawValue).joined(separator: " and "))"
      reader.note(
        "budget",
        "\(found); give one of \(Budget.Unit.allCases.map { "budget.\($0.rawValue)" }.joined(separator: ", ")).")
    }
    for unit in given.dropFirst() { _ = reader.number("budget.\(unit.rawValue)", default: 1) }
    guard let unit = given.first else { return Budget(unit: .steps, amount: 1) }
    return Budget(unit: unit, amount: reader.number("budget.\(unit.rawValue)", default: 1, in: 1...1e24))
  }

  private static func measures(_ wanted: ConfigurationNode?, _ reader: ConfigurationReader) -> [(
    entry: MeasureEntry, measure: any Measure, options: ConfigurationNode
  )] {
    guard case .table(let table)? = wanted, !table.isEmpty else {
      reader.note(
        "measures",
        "is missing; give sections such as [measures.loss] and [measures.left-to-right]; lockstep evaluate --list names all."
      )
      return []
    }
    for name in table.keys.sorted() where MeasureRegistry.entry(named: name) == nil {
      reader.note(
        "measures.\(name)",
        "is not a measure; there are \(MeasureRegistry.entries.map(\.name).joined(separator: ", ")).")
    }
    return MeasureRegistry.entries.compactMap { entry in
      guard let options = table[entry.name], let measure = entry.read(reader) else { return nil }
      return (entry, measure, options)
    }
  }

  // MARK: - Arms

  private static func arms(
    _ own: ConfigurationNode?, shared: ConfigurationNode, reference: String, corpus: String, runs: String,
    _ reader: ConfigurationReader
  ) -> [Arm] {
    guard case .table(let tables)? = own, tables.count >= 2 else {
      reader.note("arms", "must have two arms or more, such as [arms.ar] with objective.name = \"ar\".")
      return []
    }
    if !reference.isEmpty, tables[reference] == nil {
      reader.note(
        "reference", "is \"\(reference)\"; it must be one of the arms \(tables.keys.sorted().joined(separator: ", ")).")
    }
    let names = tables.keys.sorted { ($0 != reference ? 1 : 0, $0) < ($1 != reference ? 1 : 0, $1) }
    return names.map { name in
      var table = tables[name] ?? .table([:])
      if case .table = table {
      } else {
        reader.note(
          "arms.\(name)", "is not a table; give what is the arm's own, such as arms.\(name).objective.name = \"ar\".")
        table = .table([:])
      }
      if !isPlainFileName(name) || name.hasPrefix(".") {
        reader.note("arms.\(name)", "names folders; it must be a plain name.")
      }
      for key in ["name", "seed", "duration"] where table.has(key) || shared.has(key) {
        let place = table.has(key) ? "arms.\(name).\(key)" : "run.\(key)"
        let sentence = "is decided by the comparison: by the arm's name, seeds and budget."
        if !reader.problems.contains(where: { $0.key == place }) { reader.note(place, sentence) }
      }
      let merged = shared.merged(with: table)
      let make: @Sendable (Int, Int) throws(ConfigurationError) -> RunConfiguration = {
        seed, steps throws(ConfigurationError) in
        var node = merged
        for (key, value) in [("name", ConfigurationNode.string("\(name)-\(seed)")), ("seed", .integer(seed))] {
          node = node.with(key, value)
        }
        if !merged.has("data", "corpus") { node = node.with("data", "corpus", .string(corpus)) }
        node = node.with("machine", "runs", .string(runs)).with("duration", "steps", .integer(steps))
        if !merged.has("machine", "progress") { node = node.with("machine", "progress", .string("none")) }
        // Enough points for a curve; the last step is always among them.
        if !merged.has("machine", "validation_steps") {
          node = node.with("machine", "validation_steps", .integer(max(1, steps / 12)))
        }
        return try RunConfiguration(node)
      }
      do throws(ConfigurationError) { _ = try make(1, 1) } catch {
        for problem in error.problems where !["name", "seed", "duration"].contains(problem.key) {
          note(problem, arm: name, table, shared, corpus, reader)
        }
      }
      return Arm(name: name, configuration: make)
    }
  }

  /// A problem of an arm's run under the key where it stands in the file. What all arms share is named once.
  private static func note(
    _ problem: ConfigurationError.Problem, arm: String, _ table: ConfigurationNode, _ shared: ConfigurationNode,
    _ corpus: String,
    _ reader: ConfigurationReader
  ) {
    let path = problem.key.split(separator: ".").map(String.init)
    let place: String
    if problem.key == "data.corpus", !table.has("data", "corpus") {
      place = "corpus"
    } else {
      place = !table.has(path) && shared.has(path) ? "run.\(problem.key)" : "arms.\(arm).\(problem.key)"
    }
    if !reader.problems.contains(where: { $0.key == place && $0.sentence == problem.sentence }) {
      reader.note(place, problem.sentence)
    }
  }
}

extension ConfigurationNode {
  func has(_ path: String...) -> Bool { has(path) }

  func has(_ path: [String]) -> Bool {
    guard let first = path.first else { return true }
    guard case .table(let table) = self, let member = table[first] else { return false }
    return member.has(Array(path.dropFirst()))
  }

  /// This table with the members of `other` in the place of its own, tables merged.
  func merged(with other: ConfigurationNode) -> ConfigurationNode {
    guard case .table(let mine) = self, case .table(let theirs) = other else { return other }
    return .table(mine.merging(theirs) { $0.merged(with: $1) })
  }

  func with(_ key: String, _ value: ConfigurationNode) -> ConfigurationNode { merged(with: .table([key: value])) }
  func with(_ section: String, _ key: String, _ value: ConfigurationNode) -> ConfigurationNode {
    merged(with: .table([section: .table([key: value])]))
  }
}

extension ComparisonFile {
  /// Reads what measures read, before anything is trained.
  /// - Throws: `ConfigurationError` with the mistakes of all measures.
  public func checkFiles() throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    var (contexts, inputs) = ([Int](), [ObjectiveRequirements.Input]())
    for arm in arms {
      let configuration = try arm.configuration(seeds[0], 1)
      contexts.append(configuration.model.maxPosition)
      inputs.append(configuration.requirements.input)
    }
    for measure in measures {
      do throws(ConfigurationError) { try measure.measure.checkFiles() } catch { problems += error.problems }
      // What only shorter arms do not support is listed as not measured for them.
      problems += measure.measure.problems(microBatch: microBatch, context: contexts.max() ?? 0)
      // What only some arms do not support is listed as not measured for them.
      let unsupported = inputs.map { measure.measure.problems(input: $0) }
      if unsupported.allSatisfy({ !$0.isEmpty }) { problems += unsupported.first ?? [] }
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
  }
}
