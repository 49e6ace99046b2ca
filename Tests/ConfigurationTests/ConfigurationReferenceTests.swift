@testable import Configuration
import Core
import Objectives
import Testing

/// docs/configuration.md is read off the reader: here is what makes it whole.
@Suite struct ConfigurationReferenceTests {
  private func complete(_ key: ConfigurationKey) -> Bool {
    key.sentence.count > 8 && key.sentence.hasSuffix(".") && !key.type.isEmpty && !key.fallback.isEmpty
  }

  @Test func everyKeyHasASentence() throws {
    let keys = try ConfigurationReference.keys()
    #expect(keys.filter { !complete($0) }.map(\.key) == [])
    #expect(Set(keys.map(\.key)).count == keys.count)
    let own = keys.filter { $0.section == "model" }.map(\.name)
    #expect(own.sorted() == ModelSection.keys.sorted())
    #expect(
      Set(keys.map(\.section)) == [
        "", "data", "objective", "init", "model", "batch", "optimizer", "schedule", "duration", "machine",
      ])
    #expect(keys.filter { $0.section == "duration" }.map(\.name) == ["steps", "tokens", "epochs"])
  }

  @Test(arguments: ObjectiveRegistry.entries.map(\.name)) func everyOptionHasASentence(name: String) throws {
    let options = try ConfigurationReference.options(of: name)
    #expect(options.filter { !complete($0) }.map(\.key) == [])
    // A sentence for what is no option is a misspelt one.
    let entry = try #require(ObjectiveRegistry.entry(named: name))
    #expect(Set(entry.optionSentences.keys).subtracting(options.map(\.name)) == [])
  }

  /// Each default, given by itself, is accepted and changes nothing.
  @Test func everyDefaultIsWhatLeavingItOutGives() throws {
    let text = "data.corpus = \"corpora/text\"\n"
    func resolved(_ settings: [String]) throws(ConfigurationError) -> String {
      try RunConfiguration(toml: text, place: "test", settings: settings).toml
    }
    let plain = try resolved(["duration.steps=1"])
    for key in try ConfigurationReference.keys() where key.key != "data.corpus" && key.section != "duration" {
      #expect(try resolved(["duration.steps=1", "\(key.key)=\(key.fallback)"]) == plain, "\(key.key)")
    }
    for (name, options) in try ConfigurationReference.objectives() {
      let own = ["duration.steps=1", "objective.name=\(name)"]
      let plain = try resolved(own)
      for key in options { #expect(try resolved(own + ["\(key.key)=\(key.fallback)"]) == plain, "\(key.key)") }
    }
  }

  @Test func thePageHasWhatPeopleLookFor() throws {
    let page = try ConfigurationReference.markdown(measures: [])
    #expect(page.contains("| `beta2` | number | `0.95` | 0 … 0.9999999 | Decay of the second moment. |"))
    #expect(page.contains("| `type` | constant, linear, cosine, wsd | `\"cosine\"` |"))
    #expect(page.contains("| `norm` | layer, rms | `\"layer\"`, llama: `\"rms\"` |"))
    #expect(page.contains("### Options of `mlm`") && page.contains("| `seed` | integer | `1` | from 0 |"))
  }
}
