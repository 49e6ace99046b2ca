import Core
import Safetensors
import Storage

/// `ElectraForPreTraining`: BERT's encoder with a head that detects replaced tokens.
public enum ElectraFamily: ModelFamily {
  public static let name = "electra"
  public static let architecture = "ElectraForPreTraining"
  public static let modelType = "electra"
  public static let pipeline = "feature-extraction"
  public static let autoClass = "AutoModelForPreTraining"
  public static let preset = "bert"
  public static let classifier = electraClassifier
  public static let usage = """
    import torch
    from transformers import AutoModelForPreTraining, AutoTokenizer

    folder = "."  # this folder, or the model's name on the Hub
    model, tokenizer = AutoModelForPreTraining.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer("The end of the text", truncation=True, return_tensors="pt")
    with torch.no_grad():
        replaced = model(**inputs).logits.sigmoid()  # the probability that each token is not the text's own
    print(replaced)
    """

  public static func unsupported(_ model: ModelConfiguration) -> [String] {
    var needs = Requirements(model, head: .replaced, "a head for replaced tokens")
    needs.needEncoder(model)
    return needs.missing
  }

  public static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor] {
    var list = TensorList(model)
    list.addEncoder("electra")
    list.addLinear("discriminator_predictions.dense", "head.dense", inputs: model.hiddenSize, outputs: model.hiddenSize)
    list.addLinear("discriminator_predictions.dense_prediction", "head.output", inputs: model.hiddenSize, outputs: 1)
    return list.tensors
  }

  public static func settings(_ model: ModelConfiguration) -> [JSONValue.Member] { electraSettings(model) }

  /// The discriminator, unless `architectures` says that it is the generator.
  public static func isNamed(by settings: HuggingFaceSettings) -> Bool { !ElectraGeneratorFamily.isNamed(by: settings) }

  public static func read(_ s: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration {
    var model = try readElectra(s)
    (model.head, model.tieWordEmbeddings) = (.replaced, true)
    return model
  }
}

/// `ElectraForMaskedLM`: the generator of ELECTRA.
public enum ElectraGeneratorFamily: ModelFamily {
  public static let name = "electra-generator"
  public static let architecture = "ElectraForMaskedLM"
  public static let modelType = "electra"
  public static let pipeline = "fill-mask"
  public static let autoClass = "AutoModelForMaskedLM"
  public static let preset = "bert"
  public static let usage = fillMaskUsage
  public static let classifier = electraClassifier

  public static func unsupported(_ model: ModelConfiguration) -> [String] {
    var needs = Requirements(model, head: .vocabulary, "a head over the vocabulary")
    needs.needEncoder(model)
    needs.need(model.headTransform, "head_transform = true")
    needs.need(model.activation == .gelu, "activation = gelu")
    return needs.missing
  }

  public static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor] {
    var list = TensorList(model)
    let table = model.resolvedEmbeddingSize
    list.addEncoder("electra")
    list.addLinear("generator_predictions.dense", "head.transform", inputs: model.hiddenSize, outputs: table)
    list.addNorm("generator_predictions.LayerNorm", "head.norm", width: table)
    list.add("generator_lm_head.bias", "head.bias", [model.vocabSize])
    if !model.tieWordEmbeddings { list.add("generator_lm_head.weight", "head.weight", [model.vocabSize, table]) }
    return list.tensors
  }

  public static func settings(_ model: ModelConfiguration) -> [JSONValue.Member] { electraSettings(model) }

  public static func isNamed(by settings: HuggingFaceSettings) -> Bool {
    settings.document["architectures"]?.array?.contains(.string(architecture)) == true
  }

  public static func read(_ s: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration { try readElectra(s) }
}

private let electraClassifier = ClassifierLayout(
  architecture: "ElectraForSequenceClassification", form: .dense, encoder: "electra.",
  layers: [("classifier.dense", "classifier.dense", false, true), ("classifier.out_proj", "classifier", true, true)])

extension ModelFamily {
  fileprivate static func electraSettings(_ model: ModelConfiguration) -> [JSONValue.Member] {
    encoderSettings(model) + [.init("embedding_size", .integer(model.resolvedEmbeddingSize))]
  }

  fileprivate static func readElectra(_ s: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration {
    try s.requireEncoder()
    var model = try s.encoder()
    let table = try s.count("embedding_size", default: 128)
    model.embeddingSize = table == model.hiddenSize ? 0 : table
    return model
  }
}
