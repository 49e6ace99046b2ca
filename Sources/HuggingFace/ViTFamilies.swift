import Core
import Safetensors
import Storage

/// `ViTMAEForPreTraining`: a vision transformer with the light decoder of a masked autoencoder, on square images.
public enum ViTMAEFamily: ModelFamily {
  public static let name = "vit-mae"
  public static let architecture = "ViTMAEForPreTraining"
  public static let modelType = "vit_mae"
  public static let pipeline = "image-feature-extraction"
  public static let autoClass = "AutoModelForPreTraining"
  public static let preset = "vit"
  public static let classifier = visionClassifier
  public static let readsTokens = false
  public static let usage = visionUsage(autoClass)

  public static func unsupported(_ model: ModelConfiguration) -> [String] {
    var needs = visionRequirements(model)
    needs.need(model.positionEmbedding == .sinCos, "position_embedding = sin-cos")
    needs.need(model.decoder != nil, "the decoder of a masked autoencoder")
    needs.need(model.learnedRows == 1, "no learned row besides [CLS]")
    return needs.missing
  }

  public static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor] {
    var list = TensorList(model)
    list.addVision("embedding")
    list.addVisionBlocks("vit.encoder.layer", "block", model)
    list.addNorm("vit.layernorm", "norm")
    guard let decoder = model.decoder else { return list.tensors }
    let (width, rows) = (decoder.hiddenSize, model.leadingRows + model.maxPosition)
    list.add("decoder.mask_token", "decoder.embedding.learned", [1, 1, width])
    list.add("decoder.decoder_pos_embed", "decoder.embedding.position", [1, rows, width])
    list.addLinear("decoder.decoder_embed", "decoder.embedding.values", inputs: model.hiddenSize, outputs: width)
    list.addVisionBlocks("decoder.decoder_layers", "decoder.block", decoder.shape(of: model))
    list.addNorm("decoder.decoder_norm", "decoder.norm", width: width)
    list.addLinear("decoder.decoder_pred", "output", inputs: width, outputs: model.inputSize)
    return list.tensors
  }

  public static func settings(_ model: ModelConfiguration) -> [JSONValue.Member] {
    guard let decoder = model.decoder else { return visionSettings(model) }
    return visionSettings(model) + [
      .init("decoder_hidden_size", .integer(decoder.hiddenSize)),
      .init("decoder_intermediate_size", .integer(decoder.intermediateSize)),
      .init("decoder_num_attention_heads", .integer(decoder.numHeads)),
      .init("decoder_num_hidden_layers", .integer(decoder.numLayers)),
      .init("mask_ratio", .number("\(decoder.maskRatio)")), .init("norm_pix_loss", .bool(decoder.normPixLoss)),
    ]
  }

  public static func read(_ s: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration {
    var model = try s.vision()
    (model.positionEmbedding, model.learnedRows) = (.sinCos, 1)
    model.decoder = DecoderShape(
      hiddenSize: try s.count("decoder_hidden_size", default: 512),
      numLayers: try s.count("decoder_num_hidden_layers", default: 8),
      numHeads: try s.count("decoder_num_attention_heads", default: 16),
      intermediateSize: try s.count("decoder_intermediate_size", default: 2048),
      maskRatio: Double(try s.float("mask_ratio", default: 0.75)),
      normPixLoss: try s.flag("norm_pix_loss", default: false))
    return model
  }
}

/// `ViTForMaskedImageModeling`: a vision transformer with a vector for hidden patches and a linear layer that gives
/// their numbers, on square images.
public enum ViTMaskedImageFamily: ModelFamily {
  public static let name = "vit-masked-image"
  public static let architecture = "ViTForMaskedImageModeling"
  public static let modelType = "vit"
  public static let pipeline = "image-feature-extraction"
  public static let autoClass = "AutoModelForMaskedImageModeling"
  public static let preset = "vit"
  public static let classifier = visionClassifier
  public static let readsTokens = false
  public static let usage = visionUsage(autoClass)

  public static func unsupported(_ model: ModelConfiguration) -> [String] {
    var needs = visionRequirements(model)
    needs.need(model.positionEmbedding == .learned, "position_embedding = learned")
    needs.need(
      model.head == .values && model.learnedRows == 2, "the vector of hidden patches and a linear head of simmim")
    needs.need(model.decoder == nil, "no decoder")
    return needs.missing
  }

  public static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor] {
    var list = TensorList(model)
    list.addVision("embedding")
    list.add("vit.embeddings.mask_token", "embedding.learned", [1, 1, model.hiddenSize], rows: 1..<2)
    list.addVisionBlocks("vit.encoder.layer", "block", model)
    list.addNorm("vit.layernorm", "norm")
    list.add("decoder.0.weight", "output.weight", [model.inputSize, model.hiddenSize, 1, 1])
    list.add("decoder.0.bias", "output.bias", [model.inputSize])
    return list.tensors
  }

  public static func settings(_ model: ModelConfiguration) -> [JSONValue.Member] {
    visionSettings(model) + [.init("encoder_stride", .integer(model.patch.first ?? 1))]
  }

  public static func read(_ s: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration {
    var model = try s.vision()
    try s.require(
      "encoder_stride", .integer(model.patch.first ?? 1), because: "it must equal patch_size, so that a row is a patch")
    (model.positionEmbedding, model.learnedRows, model.head) = (.learned, 2, .values)
    return model
  }
}

// MARK: - What vision transformers share

private let visionClassifier = ClassifierLayout(
  architecture: "ViTForImageClassification", form: .linear, encoder: "vit.",
  layers: [("classifier", "classifier", true, true)])

private func visionUsage(_ autoClass: String) -> String {
  """
  import torch
  from PIL import Image
  from transformers import AutoImageProcessor, \(autoClass)

  folder = "."  # this folder, or the model's name on the Hub
  model, processor = \(autoClass).from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)
  inputs = processor(Image.open("image.png"), return_tensors="pt")
  with torch.no_grad():
      states = model.base_model(**inputs).last_hidden_state
  print(states.shape)
  """
}

/// What the vision transformers of other libraries need of a model.
func visionRequirements(_ model: ModelConfiguration) -> Requirements {
  var needs = Requirements(images: model)
  needs.need(model.attentionMask == .bidirectional, "attention_mask = bidirectional")
  needs.need(model.norm == .layer && model.normPlacement == .pre, "norm = layer before each branch")
  needs.need(model.activation == .gelu, "activation = gelu")
  needs.need(model.bias, "bias = true")
  needs.need(model.leadingRows == 1, "cls_token = true")
  return needs
}

extension Requirements {
  /// The settings of a model that reads square images in square patches.
  fileprivate init(images model: ModelConfiguration) {
    self.init()
    let (grid, patch) = (model.positionGrid, model.patch)
    need(model.inputSize > 0, "inputs of numbers")
    need(grid.count == 2 && grid.first == grid.last, "square images")
    need(patch.count == 2 && patch.first == patch.last, "square patches")
    need(model.resolvedEmbeddingSize == model.hiddenSize, "embedding_size = hidden_size")
  }
}

private func visionSettings(_ model: ModelConfiguration) -> [JSONValue.Member] {
  let patch = model.patch.first ?? 1
  return [
    .init("attention_probs_dropout_prob", .float(model.attentionDropout)),
    .init("hidden_act", .string("gelu")), .init("hidden_dropout_prob", .float(model.dropout)),
    .init("hidden_size", .integer(model.hiddenSize)),
    .init("image_size", .integer(patch * (model.positionGrid.first ?? 1))),
    .init("initializer_range", .float(model.initializerRange)),
    .init("intermediate_size", .integer(model.intermediateSize)), .init("layer_norm_eps", .float(model.normEps)),
    .init("num_attention_heads", .integer(model.numHeads)),
    .init("num_channels", .integer(model.inputSize / (patch * patch))),
    .init("num_hidden_layers", .integer(model.numLayers)), .init("patch_size", .integer(patch)),
    .init("qkv_bias", .bool(true)),
  ]
}

extension HuggingFaceSettings {
  /// The encoder of a vision transformer on square images.
  fileprivate func vision() throws(CheckpointError) -> ModelConfiguration {
    let (image, patch) = (try count("image_size", default: 224), try count("patch_size", default: 16))
    let channels = try count("num_channels", default: 3)
    try require("qkv_bias", .bool(true), because: "queries, keys and values have biases here")
    try require("hidden_act", .string("gelu"), because: "only gelu is supported")
    guard patch > 0, image > 0, image <= 65_536, image % patch == 0, channels > 0, channels <= 65_536 else {
      throw refuse("patch_size", document["patch_size"], "it must divide image_size = \(image)")
    }
    let cells = image / patch
    var model = Architecture.vit.model(
      maxPosition: cells * cells, hiddenSize: try count("hidden_size", default: 768),
      numLayers: try count("num_hidden_layers", default: 12), numHeads: try count("num_attention_heads", default: 12))
    model.intermediateSize = try count("intermediate_size", default: 3072)
    model.normEps = try float("layer_norm_eps", default: 1e-12)
    model.dropout = try float("hidden_dropout_prob", default: 0)
    model.attentionDropout = try float("attention_probs_dropout_prob", default: 0)
    model.initializerRange = try float("initializer_range", default: 0.02)
    (model.inputSize, model.positionGrid, model.patch) = (channels * patch * patch, [cells, cells], [patch, patch])
    return model
  }
}

extension TensorList {
  /// [CLS], positions and the map of patches.
  fileprivate mutating func addVision(_ here: String) {
    let (width, patch) = (model.hiddenSize, model.patch.first ?? 1)
    add("vit.embeddings.cls_token", "\(here).learned", [1, 1, width], rows: 0..<1)
    add(
      "vit.embeddings.position_embeddings", "\(here).position", [1, model.leadingRows + model.maxPosition, width])
    add(
      "vit.embeddings.patch_embeddings.projection.weight", "\(here).values.weight",
      [width, model.inputSize / (patch * patch), patch, patch])
    add("vit.embeddings.patch_embeddings.projection.bias", "\(here).values.bias", [width])
  }

  /// The blocks of an encoder or a decoder of this shape.
  fileprivate mutating func addVisionBlocks(_ base: String, _ prefix: String, _ shape: ModelConfiguration) {
    let (width, inner) = (shape.hiddenSize, shape.intermediateSize)
    for i in 0..<shape.numLayers {
      let (there, here) = ("\(base).\(i)", "\(prefix).\(i)")
      for (part, name) in ["query", "key", "value"].enumerated() {
        addLinear(
          "\(there).attention.attention.\(name)", "\(here).attention.qkv", inputs: width, outputs: width,
          first: part * width)
      }
      addLinear("\(there).attention.output.dense", "\(here).attention.out", inputs: width, outputs: width)
      addLinear("\(there).intermediate.dense", "\(here).feedForward.up", inputs: width, outputs: inner)
      addLinear("\(there).output.dense", "\(here).feedForward.down", inputs: inner, outputs: width)
      addNorm("\(there).layernorm_before", "\(here).norm1", width: width)
      addNorm("\(there).layernorm_after", "\(here).norm2", width: width)
    }
  }
}
