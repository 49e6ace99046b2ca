import Core
import Storage

/// The encoder of a vision transformer as the timm library keeps it: names, shapes and `config.json` of its
/// `VisionTransformer`, without a head.
///
/// Source: timm 1.0's `vision_transformer.py` and the schema of its `local-dir:` folders.
public enum TimmVisionTransformer {
  /// timm's norm has this ε; another cannot be written into `config.json`.
  static let normEps: Float = 1e-6

  /// The settings that the library needs and `model` does not have; none where it computes exactly this encoder.
  public static func unsupported(_ model: ModelConfiguration) -> [String] {
    var needs = visionRequirements(model)
    needs.need(model.normEps == normEps, "norm_eps = 1e-6")
    needs.need([.sinCos, .learned].contains(model.positionEmbedding), "position_embedding = sin-cos or learned")
    return needs.missing
  }

  /// The tensors of `model.safetensors`, and the parameters they are.
  public static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor] {
    let (width, inner, patch) = (model.hiddenSize, model.intermediateSize, model.patch.first ?? 1)
    var list = TensorList(model)
    list.add("cls_token", "embedding.learned", [1, 1, width], rows: 0..<1)
    list.add("pos_embed", "embedding.position", [1, model.leadingRows + model.maxPosition, width])
    list.add("patch_embed.proj.weight", "embedding.values.weight", patchShape(model, patch))
    list.add("patch_embed.proj.bias", "embedding.values.bias", [width])
    for i in 0..<model.numLayers {
      let (there, here) = ("blocks.\(i)", "block.\(i)")
      list.addNorm("\(there).norm1", "\(here).norm1")
      list.addLinear("\(there).attn.qkv", "\(here).attention.qkv", inputs: width, outputs: 3 * width)
      list.addLinear("\(there).attn.proj", "\(here).attention.out", inputs: width, outputs: width)
      list.addNorm("\(there).norm2", "\(here).norm2")
      list.addLinear("\(there).mlp.fc1", "\(here).feedForward.up", inputs: width, outputs: inner)
      list.addLinear("\(there).mlp.fc2", "\(here).feedForward.down", inputs: inner, outputs: width)
    }
    list.addNorm("norm", "norm")
    return list.tensors
  }

  private static func patchShape(_ model: ModelConfiguration, _ patch: Int) -> [Int] {
    [model.hiddenSize, model.inputSize / (patch * patch), patch, patch]
  }

  /// A ratio whose product with `width`, rounded down as the library does, is `inner` again.
  static func ratio(_ inner: Int, to width: Int) -> Double {
    let ratio = Double(inner) / Double(width)
    return Int(Double(width) * ratio) == inner ? ratio : ratio.nextUp
  }

  /// `config.json`, from which `timm.create_model("local-dir:FOLDER", pretrained=True)` makes the model.
  ///
  /// - Parameters:
  ///   - mean, deviation: of each channel, in numbers from 0 to 255, as training saw them; nil to leave them out.
  public static func configuration(_ model: ModelConfiguration, mean: [Double]?, deviation: [Double]?) -> [UInt8] {
    let (patch, cells) = (model.patch.first ?? 1, model.positionGrid.first ?? 1)
    let (size, channels) = (patch * cells, model.inputSize / (patch * patch))
    let arguments: [JSONValue.Member] = [
      .init("class_token", .bool(true)), .init("depth", .integer(model.numLayers)),
      .init("embed_dim", .integer(model.hiddenSize)), .init("global_pool", .string("token")),
      .init("img_size", .integer(size)), .init("in_chans", .integer(channels)),
      .init("mlp_ratio", .number("\(ratio(model.intermediateSize, to: model.hiddenSize))")),
      .init("num_classes", .integer(0)), .init("num_heads", .integer(model.numHeads)),
      .init("patch_size", .integer(patch)),
    ]
    var pretrained: [JSONValue.Member] = [
      .init("classifier", .string("head")), .init("crop_pct", .number("1.0")),
      .init("first_conv", .string("patch_embed.proj")), .init("fixed_input_size", .bool(true)),
      .init("input_size", .array([channels, size, size].map { .integer($0) })),
      .init("interpolation", .string("bilinear")),
    ]
    // The library's transforms divide bytes by 255 first.
    func ofUnit(_ numbers: [Double]) -> JSONValue { .array(numbers.map { .number("\($0 / 255)") }) }
    if let mean, let deviation {
      pretrained += [.init("mean", ofUnit(mean)), .init("std", ofUnit(deviation))]
    }
    pretrained.append(.init("num_classes", .integer(0)))
    let members: [JSONValue.Member] = [
      .init("architecture", .string("vit_base_patch16_224")), .init("model_args", .object(arguments)),
      .init("num_classes", .integer(0)), .init("num_features", .integer(model.hiddenSize)),
      .init("pretrained_cfg", .object(pretrained)),
    ]
    return Array(JSONValue.object(members).pretty.utf8)
  }
}
