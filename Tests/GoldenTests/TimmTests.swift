import Core
@testable import HuggingFace
import Models
import Storage
import Tensors
import Testing

/// The folder that timm opens: names, shapes and `config.json`, as timm 1.0.31 reads them.
@Suite struct TimmTests {
  private func model() -> ModelConfiguration {
    var model = Architecture.vit.model(maxPosition: 9, hiddenSize: 8, numLayers: 2, numHeads: 2)
    (model.intermediateSize, model.inputSize, model.positionGrid, model.patch) = (16, 12, [3, 3], [2, 2])
    return model
  }

  @Test func everyParameterHasAPlace() throws {
    let model = model()
    #expect(TimmVisionTransformer.unsupported(model) == [])
    var layout = ParameterLayout()
    _ = Transformer(model, head: false, into: &layout)
    let store = ParameterStore(layout)
    let tensors = TimmVisionTransformer.tensors(model)
    for tensor in tensors {
      let view = try #require(tensor.view(in: store), "\(tensor.internalName)")
      #expect(view.count == tensor.shape.reduce(1, *), "\(tensor.fileName)")
    }
    #expect(Set(tensors.map(\.internalName)) == Set(layout.entries.map(\.name)))
    let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.fileName, $0.shape) })
    #expect(shapes["blocks.1.attn.qkv.weight"] == [24, 8] && shapes["pos_embed"] == [1, 10, 8])
    #expect(shapes["patch_embed.proj.weight"] == [8, 3, 2, 2] && shapes["norm.bias"] == [8])
  }

  @Test func configurationOfTheLibrary() throws {
    let bytes = TimmVisionTransformer.configuration(model(), mean: [51, 102, 255], deviation: [25.5, 51, 51])
    let json = try JSONValue.parse(bytes)
    #expect(json["model_args"]?["img_size"]?.integer == 6 && json["model_args"]?["in_chans"]?.integer == 3)
    #expect(json["model_args"]?["mlp_ratio"]?.double == 2)
    // 1840 / 448 rounds down: 448 times it is 1839.99….
    for (inner, width) in [(1840, 448), (3072, 768), (7, 3)] {
      #expect(Int(Double(width) * TimmVisionTransformer.ratio(inner, to: width)) == inner)
    }
    let pretrained = try #require(json["pretrained_cfg"])
    #expect(pretrained["mean"]?.array?.compactMap(\.double) == [0.2, 0.4, 1])
    #expect(pretrained["std"]?.array?.compactMap(\.double) == [0.1, 0.2, 0.2])
    let processor = ImageProcessor(height: 6, width: 6, mean: [1, 2], deviation: [3, 4])
    let read = try #require(ImageProcessor.statistics(processor.json))
    #expect(read.mean == [1, 2] && read.deviation == [3, 4])
    #expect(ImageProcessor.statistics(Array("{}".utf8)) == nil)
  }

  @Test func modelsThatItDoesNotCompute() {
    var other = model()
    other.normEps = 1e-12
    #expect(TimmVisionTransformer.unsupported(other) == ["norm_eps = 1e-6"])
    other.positionGrid = [9]
    #expect(TimmVisionTransformer.unsupported(other).contains("square images"))
  }
}
