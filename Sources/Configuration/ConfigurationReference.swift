import Core
import Objectives

/// Every key of a configuration, read off the reader itself: what docs/configuration.md is made of.
public enum ConfigurationReference {
  /// Keys of all sections but the options of objectives, in the order of the resolved file.
  public static func keys() throws(ConfigurationError) -> [ConfigurationKey] {
    let whole = try configuration(["duration.steps=1"]).keys
    var durations: [ConfigurationKey] = []
    for unit in ["steps", "tokens", "epochs"] {
      durations += try configuration(["duration.\(unit)=1"]).keys.filter { $0.section == "duration" }
    }
    let sections = whole.filter { $0.section != "duration" && ($0.section != "objective" || $0.name == "name") }
    guard let machine = sections.firstIndex(where: { $0.section == "machine" }) else { return sections + durations }
    return sections[..<machine] + durations + sections[machine...]
  }

  /// Options of an objective.
  public static func options(of objective: String) throws(ConfigurationError) -> [ConfigurationKey] {
    try configuration(["duration.steps=1", "objective.name=\(objective)"]).keys.filter {
      $0.section == "objective" && $0.name != "name"
    }
  }

  /// Options of every objective, by its name in the order of the registry.
  public static func objectives() throws(ConfigurationError) -> [(name: String, keys: [ConfigurationKey])] {
    var found: [(name: String, keys: [ConfigurationKey])] = []
    for entry in ObjectiveRegistry.entries { found.append((entry.name, try options(of: entry.name))) }
    return found
  }

  private static func configuration(_ settings: [String]) throws(ConfigurationError) -> RunConfiguration {
    try RunConfiguration(toml: "data.corpus = \"corpora/text\"\n", place: "the reference", settings: settings)
  }

  /// Defaults of `[model]` under the other architectures where they differ, as `llama: "rms"`.
  private static func presets() throws(ConfigurationError) -> [String: [String]] {
    let usual = try configuration(["duration.steps=1"]).keys
    var other: [String: [String]] = [:]
    for (name, settings) in [("bert", ["objective.name=mlm"]), ("llama", ["model.architecture=llama"])] {
      for key in try configuration(["duration.steps=1"] + settings).keys
      where key.section == "model" && key.name != "architecture" {
        guard let same = usual.first(where: { $0.key == key.key }), same.fallback != key.fallback else { continue }
        other[key.key, default: []].append("\(name): `\(key.fallback)`")
      }
    }
    return other
  }

  // MARK: - The page

  /// docs/configuration.md.
  /// - Parameter measures: the options of each measure, by its name.
  public static func markdown(measures: [(name: String, keys: [ConfigurationKey])]) throws(ConfigurationError) -> String
  {
    let (keys, presets) = (try keys(), try presets())
    var page = introduction
    for (section, title) in sections {
      let own = keys.filter { $0.section == section }
      page += "\n## \(title)\n\n"
      if let note = notes[section] { page += note + "\n\n" }
      page += table(own, presets)
      guard section == "objective" else { continue }
      for (name, options) in try objectives() {
        page += "\n### Options of `\(name)`\n\n" + (options.isEmpty ? "None.\n" : table(options, [:]))
      }
    }
    page += "\n## Options of measures\n\n\(measureNote)\n"
    for (name, options) in measures {
      page += "\n### `\(name)`\n\n" + (options.isEmpty ? "None.\n" : table(options, [:]))
    }
    return page
  }

  private static func table(_ keys: [ConfigurationKey], _ presets: [String: [String]]) -> String {
    let rows = keys.map { key in
      let isMissing = key.section == "duration" || key.key == "data.corpus"
      let fallback = ([isMissing ? "none" : "`\(key.fallback)`"] + (presets[key.key] ?? [])).joined(separator: ", ")
      return
        "| `\(key.name)` | \(key.type) | \(fallback) | \(key.range) | \(key.sentence.replacing("|", with: "\\|")) |"
    }
    return "| key | value | default | range | |\n|---|---|---|---|---|\n" + rows.map { $0 + "\n" }.joined()
  }

  private static let sections = [
    ("", "At the top"), ("data", "`[data]`"), ("objective", "`[objective]`"), ("init", "`[init]`"),
    ("model", "`[model]`"), ("batch", "`[batch]`"),
    ("optimizer", "`[optimizer]`"), ("schedule", "`[schedule]`"), ("duration", "`[duration]`"),
    ("machine", "`[machine]`"),
  ]

  private static let introduction = """
    # Configuration: every key

    `lockstep train --keys` prints this page; `scripts/check-configuration` compares the two, so edit neither here.

    A configuration is a TOML file; `--set section.key=value` overrides a key. What a run resolved them to stands in its `config.toml`. Keys of `[machine]` and
    `[duration]` may change at every start of a run; all others belong to the run, and a start with other values is refused.

    """

  private static let notes = [
    "model": """
    Where `init.from` names a model, keys that are left out are taken from it, and one line at start says which; a key that contradicts it is an error. `context`
    may be shorter, `type_vocab_size` fewer, and `dropout`, `attention_dropout` and `initializer_range` may differ. Defaults are those of `gpt2`, with those of other
    architectures beside them.
    """,
    "schedule": """
    Steps are counted from 0; N are planned, W warm up, and the rate is `optimizer.learning_rate` times a factor.

    | | here | get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup of transformers |
    |---|---|---|
    | warm-up, s < W | (s + 1) / W: step 0 trains, step W − 1 has the peak | s / W: step 0 has the rate 0 |
    | the peak | steps W − 1 and W | step W |
    | after it | t = (s − W) / (N − W − 1), from 1 down to `min_lr_factor` at the last step | t = (s − W) / (N − W), down to 0 after the last step |
    | `min_lr_factor = 0` | t = (s − W) / (N − W): as transformers, so that the last step still has a rate | |

    `linear` is 1 − t · (1 − f), `cosine` f + (1 − f) · (1 + cos πt) / 2, `wsd` 1 until t = 1 − `decay_ratio` and then linear to f, with f = `min_lr_factor`.
    """,
    "duration": "One of the three must be given.",
  ]

  private static let measureNote = """
    For `lockstep evaluate --set measure.key=value` and `[measures.…]` of a comparison; docs/measures.md says what each measure computes.
    """
}
