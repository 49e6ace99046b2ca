@testable import Configuration
import Core
import Foundation
@testable import HuggingFace
@testable import Safetensors
import Testing

/// `[model]` is taken from `init.from` where it is silent.
@Suite struct InitialModelTests {
  /// The folders that `scripts/goldens/huggingface_checkpoints.py` recorded.
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .appendingPathComponent("goldens/huggingface").path

  private func configuration(_ name: String, objective: String, _ settings: String...) throws(ConfigurationError)
    -> RunConfiguration
  {
    try RunConfiguration(
      toml: """
        name = "continued"
        [data]
        corpus = "somewhere"
        [objective]
        name = "\(objective)"
        [init]
        from = "\(Self.folder)/\(name)"
        [duration]
        steps = 10
        """, place: "test.toml", settings: settings)
  }

  private func problem(_ name: String, objective: String, _ setting: String) -> String {
    do {
      _ = try configuration(name, objective: objective, setting)
      return ""
    } catch { return error.description.replacing(Self.folder, with: "models") }
  }

  @Test(arguments: [
    ("gpt2", "ar", "gpt2"), ("gpt2-untied", "ar", "gpt2"), ("bert", "mlm", "bert"), ("bert-untied", "mlm", "bert"),
    ("llama", "ar", "llama"),
    ("llama-tied", "meap", "llama"), ("electra", "electra", "bert"), ("electra-generator", "mlm", "bert"),
  ])
  func silenceTakesTheFolder(name: String, objective: String, architecture: String) throws {
    let c = try configuration(name, objective: objective)
    var source = try ModelConfiguration(huggingFace: Self.folder + "/" + name)
    (source.vocabSize, source.head) = (0, .vocabulary)
    #expect(c.model == source)
    // The resolved file says all of it, and reads back without the folder.
    #expect(
      c.toml.contains(
        "architecture = \"\(architecture)\"\nmax_position = 10\nhidden_size = 8\nnum_layers = 2\nnum_heads = 2\nintermediate_size = 20\n"
      ))
    #expect(c.takenFromInitial.contains("hidden_size = 8") && c.takenFromInitial.contains("max_position = 10"))
    let again = try RunConfiguration(toml: c.toml, place: "config.toml") { path throws(CheckpointError) in
      throw CheckpointError("import", path, "it was read although everything is said")
    }
    #expect(again.toml == c.toml && again.experimentHash == c.experimentHash && again.takenFromInitial.isEmpty)
  }

  @Test func dropoutIsTakenToo() throws {
    let c = try configuration("gpt2", objective: "ar")
    #expect(c.model.dropout == 0.1 && c.model.attentionDropout == 0.1)
    #expect(c.takenFromInitial.contains("dropout = 0.1") && c.takenFromInitial.contains("attention_dropout = 0.1"))
    #expect(try configuration("gpt2", objective: "ar", "model.dropout=0").model.dropout == 0)
    #expect(try configuration("bert", objective: "mlm", "model.max_position=8").model.maxPosition == 8)
    #expect(try configuration("bert", objective: "mlm", "model.type_vocab_size=1").model.typeVocabSize == 1)
    #expect(
      try configuration("gpt2", objective: "ar", "model.hidden_size=8").takenFromInitial.contains("hidden_size = 8")
        == false)
  }

  @Test func whatContradictsTheFolderIsRefused() {
    #expect(
      problem("gpt2", objective: "ar", "model.hidden_size=16")
        == "model.hidden_size is 16, but the model of init.from (models/gpt2) has 8; leave the key out, or set it to 8."
    )
    #expect(
      problem("bert", objective: "mlm", "model.activation=\"gelu-tanh\"").contains(
        "model.activation is gelu-tanh, but the model of init.from (models/bert) has gelu;"))
    #expect(
      problem("llama", objective: "ar", "model.rope_theta=10000").contains(
        "model.rope_theta is 10000.0, but the model of init.from (models/llama) has 5000.0"))
    #expect(
      problem("llama", objective: "ar", "model.architecture=gpt2").contains(
        "model.architecture is gpt2, but the model of init.from (models/llama) has llama"))
    #expect(
      problem("gpt2", objective: "ar", "model.max_position=11")
        == "model.max_position is 11, longer than the positions of init.from (10 in models/gpt2); it must be at most 10."
    )
    #expect(
      problem("gpt2", objective: "mlm", "seed=1")
        == "objective.name needs a bidirectional attention mask, and the model of init.from (models/gpt2) was trained with a causal one; use an objective with a causal mask."
    )
  }

  @Test func aFolderThatIsNotThereIsNamed() {
    let error = #expect(throws: ConfigurationError.self) { _ = try configuration("nowhere", objective: "ar") }
    #expect(error?.exitCode == .data)
    #expect(
      error?.description.contains("init.from is \"\(Self.folder)/nowhere\", whose model cannot be read: ") == true)
    #expect(error?.description.contains("nowhere: does not exist.") == true)
    let two = #expect(throws: ConfigurationError.self) { _ = try configuration("nowhere", objective: "ar", "seed=-1") }
    #expect(two?.exitCode == .usage)
  }

  /// A run that has begun goes on when the folder it began from is gone.
  @Test func aRunRemembersTheShape() throws {
    let scratch = NSTemporaryDirectory() + "lockstep-initial-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    try FileManager.default.createDirectory(atPath: scratch + "/continued", withIntermediateDirectories: true)
    let begun = try configuration("gpt2", objective: "ar", "machine.runs=\"\(scratch)\"")
    let gone: InitialModel.Reader = { path throws(CheckpointError) in
      throw CheckpointError("import", path, "it is gone")
    }
    func resumed() throws(ConfigurationError) -> RunConfiguration {
      try RunConfiguration(
        toml:
          "name = \"continued\"\n[data]\ncorpus = \"somewhere\"\n[init]\nfrom = \"\(Self.folder)/gpt2\"\n[duration]\nsteps = 10\n",
        place: "my.toml", settings: ["machine.runs=\"\(scratch)\""], read: gone)
    }
    #expect(throws: ConfigurationError.self) { _ = try resumed() }
    try begun.toml.write(toFile: scratch + "/continued/config.toml", atomically: true, encoding: .utf8)
    #expect(try resumed().experimentHash == begun.experimentHash)
    // A resolved file of an earlier version, which lacks a key, needs the folder no more either.
    let earlier = begun.toml.replacing("initializer_range = 0.02\n", with: "")
    #expect(try RunConfiguration(toml: earlier, place: "config.toml", read: gone).toml == begun.toml)
    // A damaged record says nothing, and does not lead back to itself.
    try begun.toml.replacing("[model]", with: "[modell]").write(
      toFile: scratch + "/continued/config.toml", atomically: true, encoding: .utf8)
    #expect(throws: ConfigurationError.self) { _ = try resumed() }
  }
}
