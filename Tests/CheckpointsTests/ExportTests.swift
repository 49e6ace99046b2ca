import CheckpointSupport
@testable import Checkpoints
import Core
import Foundation
@testable import HuggingFace
@testable import Safetensors
import Storage
import Tensors
import Testing

@Suite struct ExportTests {
  /// A committed checkpoint with the weights of a recorded model.
  private func checkpoint(of name: String, in scratch: Scratch, extra: [(String, [Int])] = []) throws -> (
    Checkpoint, ModelConfiguration
  ) {
    let model = try ModelConfiguration(huggingFace: goldenFolder + "/" + name)
    let parameters = ParameterStore(layout(for: model, extra: extra))
    _ = try HuggingFaceSource(goldenFolder + "/" + name).load(into: parameters, as: model)
    let moments = ["m": store(parameters.layout, seed: 1), "v": store(parameters.layout, seed: 2)]
    let contents = CheckpointContents(
      model: model, parameters: parameters, moments: moments, auxiliary: ["teacher": store(parameters.layout, seed: 3)],
      files: ["config.json": HuggingFaceConfiguration.json(for: model, vocabulary: Vocabulary(size: 19))],
      state: trainingState(step: 1))
    let run = RunFolder(scratch.path + "/run")
    try run.prepare()
    try run.commit(contents)
    return (try run.checkpoint(step: 1), model)
  }

  private func layout(for model: ModelConfiguration, extra: [(String, [Int])] = []) -> ParameterLayout {
    var layout = CheckpointSupport.layout(for: model)
    for (name, shape) in extra { layout.append(ParameterSpec(name, shape, decay: false, .zeros)) }
    return layout
  }

  @Test(arguments: goldenNames) func everyStoreIsRestoredToTheLastBit(name: String) throws {
    let scratch = try Scratch()
    let extra = [("predictor.weight", [3, 8])]
    let (checkpoint, model) = try checkpoint(of: name, in: scratch, extra: extra)
    let stores = (0..<4).map { _ in ParameterStore(layout(for: model, extra: extra)) }
    try checkpoint.restore(
      model: model, parameters: stores[0], moments: ["m": stores[1], "v": stores[2]], auxiliary: ["teacher": stores[3]])
    let original = ParameterStore(layout(for: model, extra: extra))
    _ = try HuggingFaceSource(goldenFolder + "/" + name).load(into: original, as: model)
    #expect(values(stores[0]) == values(original))
    for (index, restored) in stores.enumerated().dropFirst() {
      #expect(values(restored) == values(store(restored.layout, seed: Float(index))))
    }
    #expect(try checkpoint.tensors("optimizer.safetensors")["p.predictor.weight"]?.shape == [3, 8])
  }

  @Test func whatDoesNotFitIsNotRestored() throws {
    let scratch = try Scratch()
    let (checkpoint, model) = try checkpoint(of: "gpt2", in: scratch)
    let stores = (0..<3).map { _ in ParameterStore(layout(for: model)) }
    func problem(_ moments: [String: ParameterStore], _ parameters: ParameterStore, _ model: ModelConfiguration)
      -> String
    {
      sentence { try checkpoint.restore(model: model, parameters: parameters, moments: moments) }
    }
    let file = checkpoint.path + "/optimizer.safetensors"
    let both = ["m": stores[1], "v": stores[2]]
    #expect(
      problem(both, stores[0], model)
        == "cannot restore \(file): it holds teacher.block.0.attention.out.bias, which this configuration has no place for."
    )
    #expect(
      problem(["x": stores[1]], stores[0], model)
        == "cannot restore \(file): it has no tensor x.embedding.token, which this configuration needs.")
    var wider = model
    wider.intermediateSize = 24
    #expect(
      problem([:], ParameterStore(layout(for: wider)), wider)
        == "cannot restore \(checkpoint.path)/model.safetensors: tensor transformer.h.0.mlp.c_fc.weight has the shape [8, 20], and this configuration needs [8, 24]."
    )
    try checkpoint.restore(model: model, parameters: stores[0], moments: [:], weightsOnly: true)
    #expect(values(stores[0]).contains { $0 != 0 })
  }

  @Test func anExportHoldsRoundedWeightsAndTheCard() throws {
    let scratch = try Scratch()
    let (checkpoint, model) = try checkpoint(of: "bert", in: scratch)
    let target = scratch.path + "/export"
    let card = ModelCard(title: "T", family: BERTFamily.self, summary: "s", data: "d", command: "c", limits: "l")
    try CheckpointExport.export(checkpoint, to: target, format: .bfloat16, card: card)
    #expect(try Folders.names(in: target) == ["README.md", "config.json", "model.safetensors"])
    let config = try JSONValue.parse(contents(of: target + "/config.json"))
    #expect(config["dtype"] == .string("bfloat16") && config["torch_dtype"] == .string("bfloat16"))
    #expect(try ModelConfiguration(huggingFace: target) == model)
    let (from, to) = (try checkpoint.tensors("model.safetensors"), try SafetensorsFile(target + "/model.safetensors"))
    for tensor in from.tensors {
      #expect(to[tensor.name]?.shape == tensor.shape)
      #expect(
        try to.floats(tensor.name) == from.floats(tensor.name).map { Float(bitPattern: UInt32(bfloat16Bits($0)) << 16) }
      )
    }
    #expect(
      sentence { try CheckpointExport.export(checkpoint, to: target) }
        == "cannot export to \(target): it exists already. Name a new folder.")
  }

  @Test func aCardSaysWhatItWasGiven() {
    let card = ModelCard(
      title: "Notes", family: GPT2Family.self, tags: ["a \"b\"", "lockstep"], license: "mit", languages: ["no"],
      summary: "What.", data: "Which.", command: "lockstep train x.toml", configuration: "seed = 1\n\n",
      metrics: [("perplexity", "12.5")], limits: "Small.")
    #expect(
      card.markdown == """
        ---
        library_name: transformers
        pipeline_tag: text-generation
        license: "mit"
        language:
        - "no"
        tags:
        - "lockstep"
        - "gpt2"
        - "a \\"b\\""
        ---

        # Notes

        What.

        ## Data

        Which.

        ## Training

        ```sh
        lockstep train x.toml
        ```

        with this configuration:

        ```toml
        seed = 1
        ```

        ## Metrics

        | measure | value |
        |---|---|
        | perplexity | 12.5 |

        ## Use

        The weights are those of `GPT2LMHeadModel` of the transformers library.

        ```python
        from transformers import pipeline

        folder = "."  # this folder, or the model's name on the Hub
        generate = pipeline("text-generation", model=folder)
        print(generate("The", max_new_tokens=20)[0]["generated_text"])
        ```

        ## Limits

        Small.

        """)
  }

  @Test func aModelWithoutAClassIsSavedUnderItsOwnNamesAndReadAgain() throws {
    let scratch = try Scratch()
    var model = ModelConfiguration.gpt2(vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1)
    model.positionEmbedding = .rotary
    let parameters = store(layout(for: model), seed: 5)
    let contents = CheckpointContents(
      model: model, parameters: parameters, moments: [:],
      files: ["config.json": HuggingFaceConfiguration.json(for: model, vocabulary: nil)], state: trainingState(step: 1))
    let run = RunFolder(scratch.path)
    try run.prepare()
    try run.commit(contents)
    let checkpoint = try run.checkpoint(step: 1)
    #expect(try ModelConfiguration(huggingFace: checkpoint.path) == model)
    let restored = ParameterStore(layout(for: model))
    #expect(try HuggingFaceSource(checkpoint.path).load(into: restored, as: model) == ImportReport())
    #expect(values(restored) == values(parameters))
    #expect(
      sentence { try CheckpointExport.export(checkpoint, to: scratch.path + "/x") }.contains(
        "which needs position_embedding = learned."))
  }

  /// `LOCKSTEP_HF_PYTHON=<python with transformers>` lets the reference itself load what was written;
  /// `scripts/check-references` sets it.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["LOCKSTEP_HF_PYTHON"] != nil))
  func transformersLoadsWhatWasWritten() throws {
    let scratch = try Scratch()
    var folders: [String] = []
    var kept: [Scratch] = []
    for name in goldenNames {
      let nested = try Scratch(inside: scratch, name)
      defer { kept.append(nested) }
      let (checkpoint, _) = try checkpoint(of: name, in: nested)
      try FileManager.default.copyItem(
        atPath: goldenFolder + "/\(name)/expected.safetensors", toPath: checkpoint.path + "/expected.safetensors")
      let rounded = scratch.path + "/\(name)/bf16"
      try CheckpointExport.export(checkpoint, to: rounded, format: .bfloat16)
      folders += [checkpoint.path, rounded]
    }
    let script = goldenFolder + "/../../scripts/goldens/huggingface_checkpoints.py"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: ProcessInfo.processInfo.environment["LOCKSTEP_HF_PYTHON"] ?? "")
    process.arguments = [script, "check"] + folders
    try process.run()
    process.waitUntilExit()
    withExtendedLifetime(kept) {}
    #expect(process.terminationStatus == 0)
  }
}
