import Core
import Layers
import Objectives
import TestSupport
import Testing

@Suite struct AutoregressiveTests {
  private func example(insideDocuments: Bool, segments: [Int32]) throws -> TrainingExample {
    var options = Autoregressive.Options()
    options.insideDocuments = insideDocuments
    let model = ModelConfiguration.gpt2(vocabulary: 23, context: 4, width: 4, layers: 1, heads: 1)
    let objective = try Autoregressive(options, model: model, vocabulary: ToyTokens.vocabulary)
    let batch = SampleBatch(positions: [3], length: 4, lookahead: 1, tokens: [5, 6, 7, 8, 9], segments: segments)
    return objective.corrupt(batch, StepContext(seed: 1, step: 0, steps: 1))
  }

  /// Row i asks for token i + 1; the last row for the token of lookahead.
  @Test func targetsAreTheNextTokens() throws {
    let example = try example(insideDocuments: false, segments: [0, 0, 1, 1, 1])
    #expect(example.targets[0].rows == [0, 1, 2, 3] && example.targets[0].ids == [6, 7, 8, 9])
    #expect(example.inputs[0].tokens == [5, 6, 7, 8])
  }

  @Test func questionsStayInsideDocumentsAndOffPadding() throws {
    let inside = try example(insideDocuments: true, segments: [0, 0, 1, 1, -1])
    #expect(inside.targets[0].rows == [0, 2] && inside.targets[0].ids == [6, 8])
    #expect(try example(insideDocuments: false, segments: [0, 0, 1, -1, -1]).targets[0].rows == [0, 1])
    #expect(try example(insideDocuments: false, segments: [-1, -1, -1, -1, -1]).targets[0].rows.isEmpty)
  }
}
