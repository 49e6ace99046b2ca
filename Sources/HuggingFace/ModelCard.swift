import Core
import Foundation

/// What `README.md` of a published model says.
public struct ModelCard: Sendable, Equatable {
  public var title: String
  public var family: any ModelFamily.Type
  public var tags: [String]
  /// SPDX identifier or a licence name the Hub knows; nil leaves it for the publisher to set.
  public var license: String?
  /// Language codes such as `en`.
  public var languages: [String]
  /// What the model is, in a paragraph.
  public var summary: String
  /// What it was trained on.
  public var data: String
  /// The command that trained it.
  public var command: String
  /// The run's configuration, in TOML.
  public var configuration: String?
  /// Name and value of each measure, in order.
  public var metrics: [(name: String, value: String)]
  /// What it should not be used for or is known to do badly.
  public var limits: String

  public init(
    title: String, family: any ModelFamily.Type, tags: [String] = [], license: String? = nil, languages: [String] = [],
    summary: String,
    data: String, command: String, configuration: String? = nil, metrics: [(name: String, value: String)] = [],
    limits: String
  ) {
    self.title = title
    self.family = family
    self.tags = tags
    self.license = license
    self.languages = languages
    self.summary = summary
    self.data = data
    self.command = command
    self.configuration = configuration
    self.metrics = metrics
    self.limits = limits
  }

  public static func == (a: ModelCard, b: ModelCard) -> Bool { a.markdown == b.markdown }

  /// The text: front matter in YAML, then Markdown.
  public var markdown: String {
    var text = frontMatter + "\n# \(title)\n\n\(summary)\n\n## Data\n\n\(data)\n\n"
    text += "## Training\n\n```sh\n\(command)\n```\n\n"
    if let configuration {
      text += "with this configuration:\n\n```toml\n\(configuration.trimmingCharacters(in: .newlines))\n```\n\n"
    }
    if !metrics.isEmpty {
      text += "## Metrics\n\n| measure | value |\n|---|---|\n"
      text += metrics.map { "| \($0.name) | \($0.value) |\n" }.joined() + "\n"
    }
    return text
      + "## Use\n\nThe weights are those of `\(family.architecture)` of the transformers library.\n\n```python\n\(family.usage)\n```\n\n## Limits\n\n\(limits)\n"
  }

  private var frontMatter: String {
    var lines = ["---", "library_name: transformers", "pipeline_tag: \(family.pipeline)"]
    if let license { lines.append("license: \(Self.quoted(license))") }
    if !languages.isEmpty { lines += ["language:"] + languages.map { "- \(Self.quoted($0))" } }
    lines += ["tags:"] + distinctTags.map { "- \(Self.quoted($0))" }
    return (lines + ["---", ""]).joined(separator: "\n")
  }

  private var distinctTags: [String] {
    var seen = Set<String>()
    return (["lockstep", family.modelType] + tags).filter { seen.insert($0).inserted }
  }

  /// YAML reads words such as `no` and `1.0` as something else than text, so every text is quoted.
  private static func quoted(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: " ") + "\""
  }
}
