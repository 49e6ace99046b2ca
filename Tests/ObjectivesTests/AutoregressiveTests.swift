import Core
import Layers
import Objectives
import TestSupport
import Testing

@Suite struct AutoregressiveTests {
  private func example(documentMasking: Bool, documentIDs: [Int32]) throws -> TrainingExample {
    var options = Autoregressive.Options()
    options.documentMasking = documentMasking
    let model = ModelConfiguration.gpt2(vocabSize: 23, maxPosition: 4, hiddenSize: 4, numLayers: 1, numHeads: 1)
    let objective = try Autoregressive(options, model: model, vocabulary: ToyTokens.vocabulary)
    let batch = SampleBatch(sampleIDs: [3], length: 4, lookahead: 1, tokens: [5, 6, 7, 8, 9], documentIDs: documentIDs)
    return objective.corrupt(batch, StepContext(seed: 1, step: 0, steps: 1))
  }

  /// Row i predicts token i + 1; the last row for the token of lookahead.
  @Test func targetsAreTheNextTokens() throws {
    let example = try example(documentMasking: false, documentIDs: [0, 0, 1, 1, 1])
    #expect(example.targets[0].rows == [0, 1, 2, 3] && example.targets[0].ids == [6, 7, 8, 9])
    #expect(example.inputs[0].tokens == [5, 6, 7, 8])
  }

  @Test func targetsStayInsideDocumentsAndOffPadding() throws {
    let inside = try example(documentMasking: true, documentIDs: [0, 0, 1, 1, -1])
    #expect(inside.targets[0].rows == [0, 2] && inside.targets[0].ids == [6, 8])
    #expect(try example(documentMasking: false, documentIDs: [0, 0, 1, -1, -1]).targets[0].rows == [0, 1])
    #expect(try example(documentMasking: false, documentIDs: [-1, -1, -1, -1, -1]).targets[0].rows.isEmpty)
  }
}
