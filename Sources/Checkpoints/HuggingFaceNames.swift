import Core
import Tensors

/// A tensor of a Hugging Face model and the part of a parameter that it is.
public struct HuggingFaceTensor: Sendable, Equatable {
  /// The name in `model.safetensors`.
  public let fileName: String
  /// The parameter's name in this project.
  public let internalName: String
  /// Rows of the parameter (elements, of a vector); nil for the whole.
  public let rows: Range<Int>?
  /// The shape in the file.
  public let shape: [Int]

  /// The part as a view; nothing is copied.
  /// - Parameter prefix: stands before the parameter's name in the store.
  func view(in store: ParameterStore, prefix: String = "") -> TensorView? {
    guard let entry = store.layout.entry(named: prefix + internalName) else { return nil }
    let whole = store.view(entry.index)
    guard let rows else { return whole }
    return entry.spec.shape.count == 1 ? whole.shaped(whole.count, 1).rows(rows) : whole.rows(rows)
  }
}

/// Under which names `transformers` looks for the parameters of a model.
///
/// Every tensor there is a contiguous range of rows of a parameter here, so that saving and loading copy
/// no matrix: GPT-2 stores its linear weights [in, out] and the query, key and value projections as one,
/// as `ModelConfiguration.inputMajorWeights` does; BERT and Llama store [out, in] and cut them by rows.
public enum HuggingFaceNames {
  /// The tensors of `configuration`'s Hugging Face class, or of another that computes it too, in model order; empty when it has none.
  public static func tensors(for configuration: ModelConfiguration, as wanted: HuggingFaceClass? = nil) -> [HuggingFaceTensor] {
    guard let family = wanted ?? configuration.huggingFaceClass else { return [] }
    var list = NameList(configuration)
    switch family {
    case .gpt2: list.addGPT2()
    case .bert: list.addBERT()
    case .llama: list.addLlama()
    case .electra, .electraGenerator: list.addELECTRA()
    }
    return list.tensors
  }

  /// What goes into `model.safetensors`: Hugging Face's names, or the project's own where no class fits.
  ///
  /// - Precondition: the store holds every parameter the class needs, in the shape it needs.
  public static func parts(of store: ParameterStore, _ configuration: ModelConfiguration) -> [NamedTensor] {
    let tensors = tensors(for: configuration)
    guard !tensors.isEmpty else { return NamedTensor.all(of: store) }
    return tensors.map { tensor in
      guard let view = tensor.view(in: store) else {
        preconditionFailure("the model declares no parameter \(tensor.internalName), which \(tensor.fileName) is made of")
      }
      return NamedTensor(tensor.fileName, shape: tensor.shape, view: view, of: store)
    }
  }

  /// Parameters that have no place in the Hugging Face class, such as an objective's own head.
  public static func uncovered(_ layout: ParameterLayout, _ configuration: ModelConfiguration) -> [ParameterLayout.Entry] {
    let tensors = tensors(for: configuration)
    guard !tensors.isEmpty else { return [] }
    let covered = Set(tensors.map(\.internalName))
    return layout.entries.filter { !covered.contains($0.name) }
  }
}

/// The list in the making.
private struct NameList {
  let model: ModelConfiguration
  var tensors: [HuggingFaceTensor] = []

  init(_ model: ModelConfiguration) { self.model = model }

  mutating func add(_ fileName: String, _ internalName: String, _ shape: [Int], rows: Range<Int>? = nil) {
    tensors.append(HuggingFaceTensor(fileName: fileName, internalName: internalName, rows: rows, shape: shape))
  }

  /// A linear layer: weight and, where the model has them, bias, of `outputs` outputs from row `first` on.
  mutating func addLinear(_ fileName: String, _ internalName: String, inputs: Int, outputs: Int, first: Int? = nil) {
    let rows = first.map { $0..<$0 + outputs }
    let shape = model.inputMajorWeights ? [inputs, outputs] : [outputs, inputs]
    add(fileName + ".weight", internalName + ".weight", shape, rows: rows)
    if model.bias { add(fileName + ".bias", internalName + ".bias", [outputs], rows: rows) }
  }

  mutating func addNorm(_ fileName: String, _ internalName: String, width: Int? = nil) {
    add(fileName + ".weight", internalName + ".weight", [width ?? model.hiddenSize])
    if model.norm == .layer { add(fileName + ".bias", internalName + ".bias", [width ?? model.hiddenSize]) }
  }

  mutating func addGPT2() {
    let (width, inner) = (model.hiddenSize, model.intermediateSize)
    add("transformer.wte.weight", "embedding.token", [model.vocabSize, width])
    add("transformer.wpe.weight", "embedding.position", [model.maxPosition, width])
    for i in 0..<model.numLayers {
      let (there, here) = ("transformer.h.\(i)", "block.\(i)")
      addNorm("\(there).ln_1", "\(here).norm1")
      addLinear("\(there).attn.c_attn", "\(here).attention.qkv", inputs: width, outputs: 3 * width)
      addLinear("\(there).attn.c_proj", "\(here).attention.out", inputs: width, outputs: width)
      addNorm("\(there).ln_2", "\(here).norm2")
      addLinear("\(there).mlp.c_fc", "\(here).feedForward.up", inputs: width, outputs: inner)
      addLinear("\(there).mlp.c_proj", "\(here).feedForward.down", inputs: inner, outputs: width)
    }
    addNorm("transformer.ln_f", "norm")
    if !model.tieWordEmbeddings { add("lm_head.weight", "head.weight", [model.vocabSize, width]) }
  }

  /// Embeddings and blocks as BERT's class and ELECTRA's name them.
  private mutating func addEncoder(_ base: String) {
    let (width, inner, table) = (model.hiddenSize, model.intermediateSize, model.resolvedEmbeddingSize)
    add("\(base).embeddings.word_embeddings.weight", "embedding.token", [model.vocabSize, table])
    add("\(base).embeddings.position_embeddings.weight", "embedding.position", [model.maxPosition, table])
    add("\(base).embeddings.token_type_embeddings.weight", "embedding.type", [model.typeVocabSize, table])
    addNorm("\(base).embeddings.LayerNorm", "embedding.norm", width: table)
    if table != width { addLinear("\(base).embeddings_project", "embedding.projection", inputs: table, outputs: width) }
    for i in 0..<model.numLayers {
      let (there, here) = ("\(base).encoder.layer.\(i)", "block.\(i)")
      for (part, name) in ["query", "key", "value"].enumerated() {
        addLinear("\(there).attention.self.\(name)", "\(here).attention.qkv", inputs: width, outputs: width, first: part * width)
      }
      addLinear("\(there).attention.output.dense", "\(here).attention.out", inputs: width, outputs: width)
      addNorm("\(there).attention.output.LayerNorm", "\(here).norm1")
      addLinear("\(there).intermediate.dense", "\(here).feedForward.up", inputs: width, outputs: inner)
      addLinear("\(there).output.dense", "\(here).feedForward.down", inputs: inner, outputs: width)
      addNorm("\(there).output.LayerNorm", "\(here).norm2")
    }
  }

  mutating func addELECTRA() {
    let (width, table) = (model.hiddenSize, model.resolvedEmbeddingSize)
    addEncoder("electra")
    guard model.head == .vocabulary else {
      addLinear("discriminator_predictions.dense", "head.dense", inputs: width, outputs: width)
      return addLinear("discriminator_predictions.dense_prediction", "head.output", inputs: width, outputs: 1)
    }
    addLinear("generator_predictions.dense", "head.transform", inputs: width, outputs: table)
    addNorm("generator_predictions.LayerNorm", "head.norm", width: table)
    add("generator_lm_head.bias", "head.bias", [model.vocabSize])
    if !model.tieWordEmbeddings { add("generator_lm_head.weight", "head.weight", [model.vocabSize, table]) }
  }

  mutating func addBERT() {
    let width = model.hiddenSize
    addEncoder("bert")
    addLinear("cls.predictions.transform.dense", "head.transform", inputs: width, outputs: width)
    addNorm("cls.predictions.transform.LayerNorm", "head.norm")
    add("cls.predictions.bias", "head.bias", [model.vocabSize])
    if !model.tieWordEmbeddings {
      // The class then keeps a second copy of the bias and computes with that one.
      add("cls.predictions.decoder.weight", "head.weight", [model.vocabSize, width])
      add("cls.predictions.decoder.bias", "head.bias", [model.vocabSize])
    }
  }

  mutating func addLlama() {
    let (width, inner) = (model.hiddenSize, model.intermediateSize)
    add("model.embed_tokens.weight", "embedding.token", [model.vocabSize, width])
    for i in 0..<model.numLayers {
      let (there, here) = ("model.layers.\(i)", "block.\(i)")
      for (part, name) in ["q_proj", "k_proj", "v_proj"].enumerated() {
        addLinear("\(there).self_attn.\(name)", "\(here).attention.qkv", inputs: width, outputs: width, first: part * width)
      }
      addLinear("\(there).self_attn.o_proj", "\(here).attention.out", inputs: width, outputs: width)
      addLinear("\(there).mlp.gate_proj", "\(here).feedForward.up", inputs: width, outputs: inner, first: 0)
      addLinear("\(there).mlp.up_proj", "\(here).feedForward.up", inputs: width, outputs: inner, first: inner)
      addLinear("\(there).mlp.down_proj", "\(here).feedForward.down", inputs: inner, outputs: width)
      addNorm("\(there).input_layernorm", "\(here).norm1")
      addNorm("\(there).post_attention_layernorm", "\(here).norm2")
    }
    addNorm("model.norm", "norm")
    if !model.tieWordEmbeddings { add("lm_head.weight", "head.weight", [model.vocabSize, width]) }
  }
}
