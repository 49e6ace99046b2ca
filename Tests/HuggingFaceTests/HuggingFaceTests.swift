import CheckpointSupport
import Core
import Foundation
@testable import HuggingFace
@testable import Safetensors
import Storage
import Tensors
import Testing

@Suite struct HuggingFaceTests {
  // MARK: - Against models that transformers wrote

  @Test(arguments: goldenNames) func everyTensorOfARecordedModelGoesInAndComesOutAgain(name: String) throws {
    let folder = goldenFolder + "/" + name
    let model = try ModelConfiguration(huggingFace: folder)
    let parameters = ParameterStore(layout(for: model))
    parameters.all.fill(.nan)
    let report = try HuggingFaceSource(folder).load(into: parameters, as: model)
    #expect(report == ImportReport())
    let recorded = try SafetensorsFile(folder + "/model.safetensors")
    for entry in parameters.layout.entries {
      #expect(!parameters.view(entry.index).array.contains { $0.isNaN }, "\(entry.name)")
    }
    let parts = HuggingFaceNames.parts(of: parameters, model)
    #expect(Set(parts.map(\.name)) == Set(recorded.tensors.map(\.name)))
    for part in parts {
      #expect(recorded[part.name]?.shape == part.shape, "\(part.name)")
      #expect(try recorded.floats(part.name) == part.view.array, "\(part.name)")
    }
    #expect(HuggingFaceNames.uncovered(parameters.layout, model).isEmpty)
  }

  @Test(arguments: goldenNames) func theConfigurationComesBackFromOurConfigFile(name: String) throws {
    let model = try ModelConfiguration(huggingFace: goldenFolder + "/" + name)
    let vocabulary = Vocabulary(size: model.vocabSize, eos: 3)
    let bytes = HuggingFaceConfiguration.json(for: model, vocabulary: vocabulary)
    #expect(try ModelConfiguration(huggingFaceJSON: bytes, path: "config.json") == model)
    let recorded = try JSONValue.parse(try contents(of: goldenFolder + "/" + name + "/config.json"))
    let ours = try JSONValue.parse(bytes)
    for key in ["architectures", "model_type", "vocab_size", "tie_word_embeddings", "dtype"] {
      #expect(ours[key] == recorded[key], "\(key)")
    }
    #expect(ours["eos_token_id"] == .number("3"))
    #expect(ours["pad_token_id"] == .null)
  }

  @Test func theShapesReadAreThoseThatWereRecorded() throws {
    let expected = [
      "gpt2": ModelConfiguration(
        attentionMask: .causal, vocabSize: 19, maxPosition: 10, hiddenSize: 8, numLayers: 2, numHeads: 2,
        intermediateSize: 20, dropout: 0.1, attentionDropout: 0.1),
      "bert-untied": ModelConfiguration(
        attentionMask: .bidirectional, vocabSize: 19, maxPosition: 10, hiddenSize: 8, numLayers: 2, numHeads: 2,
        intermediateSize: 20, normPlacement: .post,
        normEps: 1e-12, activation: .gelu, tieWordEmbeddings: false, typeVocabSize: 2, headTransform: true,
        dropout: 0.1, attentionDropout: 0.1),
      "llama": ModelConfiguration(
        attentionMask: .causal, vocabSize: 19, maxPosition: 10, hiddenSize: 8, numLayers: 2, numHeads: 2,
        intermediateSize: 20, norm: .rms, normEps: 1e-6,
        activation: .swiglu, positionEmbedding: .rotary, ropeTheta: 5000, tieWordEmbeddings: false, bias: false),
    ]
    for (name, model) in expected { #expect(try ModelConfiguration(huggingFace: goldenFolder + "/" + name) == model) }
  }

  /// Every family writes and reads the range of its initial weights, and the shape no class fits does; older files mean
  /// 0.02.
  @Test func initializerRangeIsKept() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("range-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var rotary = ModelConfiguration.bert(vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1)
    rotary.positionEmbedding = .rotary
    for shape in [
      ModelConfiguration.gpt2(vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1),
      .bert(vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1),
      .llama(vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1, intermediateSize: 6), rotary,
    ] {
      var model = shape
      model.initializerRange = 0.125
      let text = String(decoding: HuggingFaceConfiguration.json(for: model, vocabulary: nil), as: UTF8.self)
      try text.write(toFile: folder + "/config.json", atomically: true, encoding: .utf8)
      #expect(try ModelConfiguration(huggingFace: folder) == model)
      let older = text.split(separator: "\n").filter { !$0.contains("initializer") }.joined(separator: "\n")
      try older.write(toFile: folder + "/config.json", atomically: true, encoding: .utf8)
      #expect(try ModelConfiguration(huggingFace: folder).initializerRange == 0.02)
    }
  }

  // MARK: - Classes

  @Test func theThreeFamiliesHaveTheirClassAndLayout() {
    let gpt2 = ModelConfiguration.gpt2(
      vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1, dropout: 0.1)
    let bert = ModelConfiguration.bert(
      vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1, dropout: 0.1)
    let llama = ModelConfiguration.llama(
      vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1, intermediateSize: 6)
    #expect([gpt2, bert, llama].map { $0.huggingFaceFamily?.name } == ["gpt2", "bert", "llama"])
    #expect([gpt2, bert, llama].map(\.inputMajorWeights) == [true, false, false])
    #expect([gpt2, bert, llama].map(\.unsupportedByHuggingFace) == [nil, nil, nil])
  }

  @Test func aModelWithoutAClassSaysWhatIsInTheWay() {
    var model = ModelConfiguration.llama(
      vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1, intermediateSize: 6)
    model.dropout = 0.1
    model.attentionMask = .bidirectional
    #expect(model.huggingFaceFamily?.name == nil)
    #expect(
      model.unsupportedByHuggingFace
        == "No Hugging Face class computes this model, so AutoModel cannot load its checkpoints; the nearest is LlamaForCausalLM, which needs attention_mask = causal, dropout = 0."
    )
    let names = NamedTensor.all(of: ParameterStore(layout(for: model))).map(\.name)
    #expect(HuggingFaceNames.parts(of: ParameterStore(layout(for: model)), model).map(\.name) == names)
  }

  // MARK: - Settings that cannot be imported

  @Test(arguments: [
    (
      "gpt2", "scale_attn_by_inverse_layer_idx", "true",
      "scale_attn_by_inverse_layer_idx is true; attention is not scaled by the layer's index here"
    ),
    (
      "gpt2", "scale_attn_weights", "false",
      "scale_attn_weights is false; attention is always scaled by the square root of the head's width"
    ),
    (
      "gpt2", "activation_function", "\"relu\"",
      "activation_function is \"relu\"; gelu, gelu_new and gelu_pytorch_tanh are supported"
    ),
    ("gpt2", "n_embd", "\"wide\"", "n_embd is \"wide\"; it must be a whole number"),
    ("gpt2", "n_head", "3", "model.num_heads is 3; it must divide model.hidden_size = 8."),
    (
      "bert", "position_embedding_type", "\"relative_key\"",
      "position_embedding_type is \"relative_key\"; only absolute positions are supported"
    ),
    ("bert", "is_decoder", "true", "is_decoder is true; only an encoder is supported"),
    (
      "llama", "num_key_value_heads", "1",
      "num_key_value_heads is 1; grouped-query attention is not supported; it must equal num_attention_heads = 2"
    ),
    (
      "llama", "rope_scaling", "{\"type\":\"linear\",\"factor\":2}",
      "rope_scaling is {\"type\":\"linear\",\"factor\":2}; scaled rotary positions are not supported"
    ),
    ("llama", "head_dim", "16", "head_dim is 16; it must be hidden_size / num_attention_heads"),
    ("llama", "attention_bias", "true", "attention_bias is true; Llama's linear layers have no biases here"),
    ("llama", "model_type", "\"mistral\"", "model_type is mistral"),
    ("electra", "embedding_size", "0.5", "embedding_size is 0.5; it must be a whole number"),
    ("electra", "is_decoder", "true", "is_decoder is true; only an encoder is supported"),
  ])
  func anUnsupportedSettingIsNamed(model: String, key: String, value: String, problem: String) throws {
    let recorded = try JSONValue.parse(try contents(of: goldenFolder + "/\(model)/config.json")).members ?? []
    let changed = recorded.filter { $0.name != key } + [.init(key, try JSONValue.parse(value))]
    let error = #expect(throws: CheckpointError.self) {
      try ModelConfiguration(huggingFaceJSON: Array(JSONValue.object(changed).compact.utf8), path: "config.json")
    }
    #expect(error?.problem == problem)
    #expect(error?.exitCode == .data)
  }

  // MARK: - Spellings and extra tensors

  /// A copy of a recorded model with its tensors renamed, and more tensors of one number each.
  private func variant(_ name: String, in scratch: Scratch, extra: [String] = [], rename: (String) -> String?) throws
    -> HuggingFaceSource
  {
    let recorded = try SafetensorsFile(goldenFolder + "/\(name)/model.safetensors")
    let kept = recorded.tensors.compactMap { tensor in rename(tensor.name).map { (tensor, $0) } }
    let values = ParameterStore(layout(kept.map { ($0.1, [$0.0.count]) } + extra.map { ($0, [1]) }))
    for (index, part) in kept.enumerated() { try recorded.read(part.0.name, into: values.view(index)) }
    let parts = kept.enumerated().map {
      NamedTensor($0.element.1, shape: $0.element.0.shape, view: values.view($0.offset), of: values)
    }
    let more = extra.indices.map { NamedTensor(extra[$0], shape: [1], view: values.view(kept.count + $0), of: values) }
    try SafetensorsWriter.write(parts + more, to: scratch.path + "/model.safetensors")
    _ = try scratch.write("config.json", try contents(of: goldenFolder + "/\(name)/config.json"))
    return try HuggingFaceSource(scratch.path)
  }

  private func loaded(_ source: HuggingFaceSource) throws -> (values: [Float], report: ImportReport) {
    let parameters = ParameterStore(layout(for: source.configuration))
    let report = try source.load(into: parameters, as: source.configuration)
    return (values(parameters), report)
  }

  @Test(arguments: [
    ("gpt2", "transformer.", "", ["h.0.attn.bias", "h.0.attn.masked_bias"]),
    ("llama-tied", "model.", "", ["rotary_emb.inv_freq"]),
    ("bert", "bert.", "", ["embeddings.position_ids", "pooler.dense.weight", "cls.seq_relationship.weight"]),
    ("bert", "LayerNorm.weight", "LayerNorm.gamma", []), ("bert", "LayerNorm.bias", "LayerNorm.beta", []),
    ("bert", "cls.predictions.bias", "cls.predictions.decoder.bias", []),
    ("electra", "electra.", "", ["embeddings.position_ids"]),
  ])
  func otherSpellingsGiveTheSameParameters(name: String, from: String, to: String, extra: [String]) throws {
    let scratch = try Scratch()
    let source = try variant(name, in: scratch, extra: extra) { $0.replacing(from, with: to) }
    let (values, report) = try loaded(source)
    #expect(values == (try loaded(HuggingFaceSource(goldenFolder + "/" + name))).values)
    #expect(report.ignored == extra.sorted())
  }

  @Test func aHeadThatDiffersFromATiedEmbeddingIsWarnedOf() throws {
    let scratch = try Scratch()
    let source = try variant("gpt2", in: scratch, extra: ["lm_head.weight"]) { $0 }
    let report = try loaded(source).report
    #expect(report.ignored == ["lm_head.weight"])
    #expect(
      report.warnings == [
        "\(scratch.path): lm_head.weight differs from transformer.wte.weight, but config.json ties them; the embedding is used."
      ])
  }

  @Test func missingTensorsAreNamed() throws {
    let scratch = try Scratch()
    let source = try variant("gpt2", in: scratch) { $0.contains("ln_") ? nil : $0 }
    #expect(
      sentence { _ = try loaded(source) }
        == "cannot import \(scratch.path): it has no transformer.h.0.ln_1.weight, transformer.h.0.ln_1.bias, transformer.h.0.ln_2.weight, transformer.h.0.ln_2.bias and 6 more."
    )
  }

  // MARK: - Folders

  @Test func shardsAreReadAndNoPathLeavesTheFolder() throws {
    let scratch = try Scratch()
    let source = try variant("gpt2", in: scratch) { $0.contains(".h.1.") ? nil : $0 }
    try FileManager.default.moveItem(
      atPath: scratch.path + "/model.safetensors", toPath: scratch.path + "/model-00001-of-00002.safetensors")
    let rest = try Scratch()
    _ = try variant("gpt2", in: rest) { $0.contains(".h.1.") ? $0 : nil }
    try FileManager.default.moveItem(
      atPath: rest.path + "/model.safetensors", toPath: scratch.path + "/model-00002-of-00002.safetensors")
    func index(_ second: String) throws {
      let map = #"{"metadata":{},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"\#(second)"}}"#
      _ = try scratch.write("model.safetensors.index.json", Array(map.utf8))
    }
    try index("model-00002-of-00002.safetensors")
    let whole = try loaded(HuggingFaceSource(goldenFolder + "/gpt2")).values
    #expect(try loaded(HuggingFaceSource(scratch.path)).values == whole)
    for path in ["../model.safetensors", "/etc/passwd", "..", "", "x.bin"] {
      try index(path)
      #expect(sentence { _ = try HuggingFaceSource(scratch.path) }.contains("tensor b is said to be in \"\(path)\""))
    }
    withExtendedLifetime(source) {}
  }

  @Test func aPickleIsRefusedWithTheWayToConvertIt() throws {
    let scratch = try Scratch()
    _ = try scratch.write("config.json", try contents(of: goldenFolder + "/gpt2/config.json"))
    #expect(
      sentence { _ = try HuggingFaceSource(scratch.path) }.hasSuffix(
        "it has neither model.safetensors nor model.safetensors.index.json."))
    _ = try scratch.write("pytorch_model.bin", [1])
    #expect(
      sentence { _ = try HuggingFaceSource(scratch.path) }.contains("save_pretrained(folder, safe_serialization=True)"))
  }

  // MARK: - Other sizes

  @Test(arguments: ["gpt2-untied", "bert", "bert-untied", "llama"]) func aLargerVocabularyAddsTheMeanRow(name: String)
    throws
  {
    let source = try HuggingFaceSource(goldenFolder + "/" + name)
    var target = source.configuration
    target.vocabSize = 22
    let parameters = ParameterStore(layout(for: target))
    let report = try source.load(into: parameters, as: target)
    let tables = ["embedding.token", "head.weight", "head.bias"].filter { parameters.layout.entry(named: $0) != nil }
    #expect(report.grown == Dictionary(uniqueKeysWithValues: tables.map { ($0, 3) }))
    for table in tables {
      let entry = try #require(parameters.layout.entry(named: table))
      let width = entry.count / 22
      let rows = parameters.view(entry.index).shaped(22, width)
      let mean = (0..<width).map { column in Float((0..<19).reduce(0.0) { $0 + Double(rows[$1, column]) } / 19) }
      for row in 19..<22 { #expect(rows.rows(row..<row + 1).array == mean) }
    }
    let old = ParameterStore(layout(for: source.configuration))
    _ = try source.load(into: old, as: source.configuration)
    #expect(parameters.view(0).first(19).array == old.view(0).array)
  }

  @Test func fewerPositionsAreTakenFromTheFront() throws {
    let source = try HuggingFaceSource(goldenFolder + "/bert")
    var target = source.configuration
    (target.maxPosition, target.typeVocabSize) = (6, 1)
    let parameters = ParameterStore(layout(for: target))
    _ = try source.load(into: parameters, as: target)
    let recorded = try SafetensorsFile(goldenFolder + "/bert/model.safetensors")
    let position = try #require(parameters.layout.entry(named: "embedding.position"))
    #expect(
      parameters.view(position.index).array
        == Array(try recorded.floats("bert.embeddings.position_embeddings.weight").prefix(48)))
  }

  @Test func whatDoesNotFitIsSaid() throws {
    let source = try HuggingFaceSource(goldenFolder + "/bert")
    func problem(_ change: (inout ModelConfiguration) -> Void) -> String {
      var target = source.configuration
      change(&target)
      return sentence { _ = try source.load(into: ParameterStore(layout(for: target)), as: target) }
    }
    let place = "cannot import \(goldenFolder)/bert: "
    #expect(
      problem { $0.maxPosition = 11 } == place
        + "the context is longer than the positions of init.from (11 against 10). Set model.max_position to at most 10."
    )
    #expect(problem { $0.vocabSize = 18 }.hasPrefix(place + "its vocabulary has 19 ids, and the tokeniser only 18."))
    #expect(
      problem { ($0.numLayers, $0.activation) = (3, .geluTanh) }
        == place
        + "it does not fit the configuration: num_layers (2 against 3), activation (gelu against geluTanh). Set [model] to what the folder's config.json says."
    )
  }
}
