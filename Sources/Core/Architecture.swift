/// A known assembly of a transformer whose settings a configuration takes as defaults: `model.architecture`.
public enum Architecture: String, Codable, Sendable, CaseIterable {
  case gpt2, bert, llama
  /// The encoder of a vision transformer: pre-norm, reads rows of numbers behind [CLS], no token types and no head of
  /// its own (arXiv 2010.11929).
  case vit

  /// The model without sizes that the data decides (rows of the vocabulary, numbers of a row).
  public func model(maxPosition: Int, hiddenSize: Int, numLayers: Int, numHeads: Int, dropout: Float = 0)
    -> ModelConfiguration
  {
    switch self {
    case .gpt2:
      return .gpt2(
        vocabSize: 0, maxPosition: maxPosition, hiddenSize: hiddenSize, numLayers: numLayers, numHeads: numHeads,
        dropout: dropout)
    case .bert:
      return .bert(
        vocabSize: 0, maxPosition: maxPosition, hiddenSize: hiddenSize, numLayers: numLayers, numHeads: numHeads,
        dropout: dropout)
    case .llama:
      // 8/3 of the hidden size, rounded to whole vectors: three matrices then cost what GPT-2's two do.
      let inner = (hiddenSize * 8 / 3 + 31) / 32 * 32
      var model = ModelConfiguration.llama(
        vocabSize: 0, maxPosition: maxPosition, hiddenSize: hiddenSize, numLayers: numLayers, numHeads: numHeads,
        intermediateSize: inner)
      (model.dropout, model.attentionDropout) = (dropout, dropout)
      return model
    case .vit:
      var model = ModelConfiguration.bert(
        vocabSize: 0, maxPosition: maxPosition, hiddenSize: hiddenSize, numLayers: numLayers, numHeads: numHeads,
        dropout: dropout)
      (model.normPlacement, model.normEps, model.typeVocabSize, model.headTransform) = (.pre, 1e-6, 0, false)
      (model.head, model.tieWordEmbeddings) = (.none, false)
      (model.leadingRows, model.learnedRows, model.positionEmbedding) = (1, 1, .sinCos)
      return model
    }
  }
}
