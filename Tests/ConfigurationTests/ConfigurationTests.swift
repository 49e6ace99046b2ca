@testable import Configuration
import Core
import Objectives
import Optimizers
import Testing

private let smallest = """
  name = "test"
  [data]
  corpus = "somewhere"
  [duration]
  steps = 10
  """

private func problems(_ text: String, _ settings: [String] = []) -> String {
  do {
    _ = try RunConfiguration(toml: text, place: "test.toml", settings: settings)
    return ""
  } catch {
    return error.description
  }
}

@Suite struct ConfigurationTests {
  @Test func smallestFileGetsEveryDefault() throws {
    let c = try RunConfiguration(toml: smallest, place: "test.toml")
    #expect(c.objective == "ar")
    #expect(c.model.normPlacement == .pre)
    #expect(c.batch == 32)
    #expect(c.microBatch == 8)
    #expect(c.optimizer.beta2 == 0.95)
    #expect(c.toml.contains("[optimizer]\nlearning_rate = 0.001\n"))
  }

  @Test func choicesOfAnObjectiveAreNamed() throws {
    let settings = [
      "objective.name=ar-diverse", "objective.offset_conditioning=whisper", "objective.offset_distribution=inverse",
    ]
    #expect(
      problems(smallest, settings)
        == "objective.offset_conditioning is \"whisper\"; it must be one of heads, embedding, none.")
    for (key, name, choices) in [
      ("query", "retromae", "raw, embedded"), ("bag_counts", "dupmae", "assigned, accumulated"),
      ("mask_count", "mpp", "rounded, floored"),
    ] {
      let found = problems(smallest, ["objective.name=\(name)", "objective.\(key)=up"])
      #expect(found == "objective.\(key) is \"up\"; it must be one of \(choices).")
    }
    let c = try RunConfiguration(
      toml: smallest, place: "test.toml",
      settings: ["objective.name=ar-diverse", "objective.offset_conditioning=embedding"])
    #expect((c.objectiveOptions as? DiverseAutoregressive.Options)?.offsetConditioning == .embedding)
  }

  @Test func resolvedFileReadsBackToItself() throws {
    let c = try RunConfiguration(
      toml: smallest, place: "test.toml",
      settings: ["objective.name=mlm", "objective.mask_ratio=0.4", "model.initializer_range=0.1"])
    let again = try RunConfiguration(toml: c.toml, place: "resolved")
    #expect(again.toml == c.toml)
    #expect(again.experimentHash == c.experimentHash)
    #expect((again.objectiveOptions as? MaskedLanguageModel.Options)?.maskRatio == 0.4)
    #expect(again.model.headTransform && again.model.initializerRange == 0.1)
    #expect(
      problems(smallest, ["model.initializer_range=0"])
        == "model.initializer_range is 0.0; it must be above 0 and at most 1.")
  }

  @Test func machineAndDurationDoNotChangeTheExperiment() throws {
    let a = try RunConfiguration(toml: smallest, place: "a").experimentHash
    #expect(
      try RunConfiguration(toml: smallest, place: "a", settings: ["machine.threads=7", "duration.steps=99"])
        .experimentHash == a)
    #expect(
      try RunConfiguration(toml: smallest, place: "a", settings: ["optimizer.learning_rate=0.1"]).experimentHash != a)
    #expect(try RunConfiguration(toml: smallest, place: "a", settings: ["seed=2"]).experimentHash != a)
  }

  @Test(arguments: [
    (["optimizer.weight_decay=0"], ["optimizer.weight_decay=0.0"]),
    (["optimizer.weight_decay=0"], ["optimizer.weight_decay=-0.0"]),
    (["optimizer.learning_rate=3e-4"], ["optimizer.learning_rate=0.0003"]),
    (["model.hidden_size=64"], ["model.hidden_size=64.0"]),
    (["seed=2"], ["seed=0x2"]), (["name=a"], ["name=b"]), (["data.corpus=a"], ["data.corpus=/b"]),
    ([], ["model.dropout=0.0"]),
  ]) func valuesAreHashedNotSpellings(_ a: [String], _ b: [String]) throws {
    let (one, other) = (
      try RunConfiguration(toml: smallest, place: "a", settings: a),
      try RunConfiguration(toml: smallest, place: "b", settings: b)
    )
    #expect(one.experimentHash == other.experimentHash)
  }

  @Test func unknownKeyNamesTheNearest() {
    #expect(
      problems(smallest, ["optimizer.learningrat=1"])
        == "optimizer.learningrat is not a key; did you mean optimizer.learning_rate?")
    #expect(problems(smallest, ["zebra=1"]) == "zebra is not a key.")
    #expect(
      problems(smallest, ["objective.mask_ratio=0.3"]).hasPrefix(
        "objective.mask_ratio is not an option of ar, but of mlm, "))
    #expect(problems(smallest + "\n[duratoin]\n") == "duratoin is not a key; did you mean duration?")
    #expect(problems("name = \"a\\u0000b\"\n" + smallest) == "test.toml:1 is not TOML: no text holds a zero byte.")
    #expect(problems(smallest.replacing("steps = 10", with: "steps = 10 # \\u0000")) == "")
    #expect(problems(smallest, ["name=\"a\\nb\""]).split(separator: "\n").count == 1)
    #expect(problems(smallest, ["seed=1e400"]) == "--set seed=1e400 has a number that 64 bits cannot hold.")
    #expect(problems(smallest + "\n[arms.a]\n").contains("lockstep compare runs it"))
  }

  @Test func wrongTypesAndRangesSayTheRule() {
    #expect(
      problems(smallest, ["optimizer.learning_rate=\"fast\""])
        == "optimizer.learning_rate is \"fast\", a string; it must be a number, such as 0.001.")
    #expect(
      problems(smallest, ["batch.samples=2.5"]) == "batch.samples is 2.5, a number; it must be an integer, such as 32.")
    #expect(problems(smallest, ["optimizer.beta1=1.5"]) == "optimizer.beta1 is 1.5; it must lie in 0.0...0.9999999.")
    #expect(
      problems(smallest, ["schedule.type=\"step\""])
        == "schedule.type is \"step\"; it must be one of constant, linear, cosine, wsd.")
    #expect(
      problems(smallest, ["objective.name=bert"])
        == "objective.name is \"bert\"; it must be one of \(ObjectiveRegistry.entries.map(\.name).joined(separator: ", "))."
    )
  }

  @Test func integersCountAsNumbers() throws {
    #expect(
      try RunConfiguration(toml: smallest, place: "a", settings: ["optimizer.learning_rate=3"]).optimizer.learningRate
        == 3)
    #expect(
      try RunConfiguration(toml: smallest, place: "a", settings: ["optimizer.learning_rate=3e-4"]).optimizer
        .learningRate == 3e-4)
  }

  @Test func allProblemsAreListedTogether() {
    let text = problems(
      smallest,
      ["model.hidden_size=100", "model.num_heads=3", "batch.samples=10", "batch.micro_batch=4", "optimizer.beta1=2"])
    #expect(text.contains("model.num_heads is 3; it must divide model.hidden_size = 100."))
    #expect(text.contains("batch.samples is 10; it must be a whole number of micro-batches of batch.micro_batch = 4."))
    #expect(text.contains("optimizer.beta1 is 2.0"))
    #expect(text.split(separator: "\n").count == 3)
  }

  @Test func missingPartsAreNamed() {
    let text = problems("name = \"x\"")
    #expect(text.contains("data.corpus is missing"))
    #expect(text.contains("duration.steps is missing"))
    #expect(problems(smallest + "\ntokens = 5").contains("duration has steps and tokens; give one"))
  }

  @Test func damagedFileNamesTheLine() {
    let text = problems("name = \"x\"\nseed == 3\n")
    #expect(text.hasPrefix("test.toml:2:"))
    #expect(text.contains("is not TOML"))
  }

  @Test func malformedSettingsAreRefused() {
    #expect(
      problems(smallest, ["seed"]) == "--set seed must have the form key=value, such as --set duration.steps=100.")
    #expect(problems(smallest, ["name.x=1"]).contains("goes below a key"))
    #expect(problems(smallest, ["a..b=1"]).contains("empty name"))
  }

  @Test func rotaryNeedsEvenHeads() {
    #expect(
      problems(smallest, ["model.position_embedding=rotary", "model.hidden_size=21", "model.num_heads=3"]).contains(
        "must then be even"))
  }

  @Test func durationsBecomeSteps() throws {
    func steps(_ setting: String) throws -> Int {
      let text = smallest.replacing("steps = 10", with: setting)
      return try RunConfiguration(toml: text, place: "a").steps(samplesPerEpoch: 100, tokensPerSample: 128)
    }
    #expect(try steps("steps = 7") == 7)
    #expect(try steps("tokens = 8192") == 2)
    #expect(try steps("tokens = 8193") == 3)
    #expect(try steps("epochs = 1.5") == 5)
  }

  /// What a change of the planned steps changes, besides their number.
  @Test func schedulesThatFollowTheDurationAreNamed() throws {
    func schedules(_ settings: String...) throws -> [String] {
      try RunConfiguration(toml: smallest, place: "a", settings: settings).schedules
    }
    #expect(try schedules() == ["the cosine schedule"])
    #expect(try schedules("schedule.type=\"constant\"", "objective.name=mlm", "objective.mask_ratio=0.3") == [])
    #expect(
      try schedules("objective.name=mlm", "objective.mask_ratio=0.3", "objective.ratio_schedule=\"linear\"")
        == ["the cosine schedule", "the objective's schedule"])
  }
}
