import CheckpointSupport
import Core
@testable import HuggingFace
import Storage
import Testing

/// Names, shapes and labels that the classes for sequence classification look for.
@Suite struct SequenceClassifierTests {
  private let vocabulary = Vocabulary(size: 11)

  @Test func bertHasAPoolerAndAClassifier() throws {
    let classifier = try SequenceClassifier(
      .bert(vocabSize: 11, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 2), classes: ["a", "b", "c"])
    let shapes = Dictionary(uniqueKeysWithValues: classifier.tensors().map { ($0.fileName, $0.shape) })
    #expect(shapes["bert.pooler.dense.weight"] == [4, 4] && shapes["bert.pooler.dense.bias"] == [4])
    #expect(shapes["classifier.weight"] == [3, 4] && shapes["classifier.bias"] == [3])
    #expect(shapes["bert.embeddings.word_embeddings.weight"] == [11, 4])
    #expect(!shapes.keys.contains { $0.hasPrefix("cls.") })
    #expect(classifier.architecture == "BertForSequenceClassification")
  }

  @Test func causalClassesHaveAScoreWithoutBias() throws {
    let classifier = try SequenceClassifier(
      .gpt2(vocabSize: 11, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 2), classes: ["a", "b"])
    let names = classifier.tensors().map(\.fileName)
    #expect(names.contains("score.weight") && !names.contains("score.bias") && !names.contains("lm_head.weight"))
    let document = try JSONValue.parse(try classifier.configurationJSON(vocabulary))
    #expect(document["architectures"]?.compact == "[\"GPT2ForSequenceClassification\"]")
    #expect(document["id2label"]?.compact == "{\"0\":\"a\",\"1\":\"b\"}")
    #expect(document["label2id"]?.compact == "{\"a\":0,\"b\":1}")
  }
}
