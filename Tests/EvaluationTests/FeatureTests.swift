import Collectives
import Core
import Data
@testable import Evaluation
import Kernels
import Layers
import Models
import Objectives
import Tensors
import Testing

@Suite struct FeatureTests {
  private let vocabulary = Vocabulary(size: 12, pad: 0, mask: 1, cls: 2, sep: 3)

  private func context(threads: Int = 1) -> MeasureContext {
    BLAS.useOneThread()
    var layout = ParameterLayout()
    let encoder = Transformer(
      .bert(vocabSize: 12, maxPosition: 8, hiddenSize: 6, numLayers: 1, numHeads: 2), into: &layout)
    let parameters = ParameterStore(layout)
    parameters.initialize(seed: 3)
    let model = MeasuredModel(
      path: "memory", encoder: encoder, parameters: parameters, data: DataShape(vocabulary),
      objective: ("mlm", MaskedLanguageModel.Options()))
    return MeasureContext(model, corpus: nil, communicator: SingleRank(), threads: threads)
  }

  private func windows(_ texts: [[Int32]]) -> TextWindows {
    TextWindows(texts, framing: .clsSep, vocabulary: vocabulary)
  }

  private var texts: [[Int32]] {
    let random = CounterGenerator(seed: 6, purpose: .order)
    return (0..<40).map { text in (0..<(text == 7 ? 4 : 6)).map { Int32(4 + random.below(8, 10 * text + $0)) } }
  }

  /// The same spectra as from hidden states collected by hand, special tokens left out.
  @Test func featuresAreThoseOfOrdinaryTokens() throws {
    let context = context()
    var options = FeatureMeasure.Options()
    options.positions = 0
    let result = try FeatureMeasure(options).measure(windows(texts), context)
    let workspace = ForwardWorkspace(context.model.encoder, samples: 1, length: 8)
    var (means, lasts, every) = ([Float](), [Float](), [Float]())
    for text in texts {
      let framed = [2] + text + [3]
      let ranges = AttentionRanges(
        samples: 1, length: framed.count, documentIDs: [Int32](repeating: 0, count: framed.count), causal: false,
        documentMasking: false)
      let states = context.model.encoder.forward(
        SequenceInput(sampleIDs: [0], length: framed.count, tokens: framed, ranges: ranges),
        Pass(context.model.parameters), workspace.transformer)
      for i in 1...text.count { for k in 0..<6 { every.append(states[i, k]) } }
      lasts += every.suffix(6)
      means += (0..<6).map { k in
        Float((1...text.count).reduce(0.0) { $0 + Double(states[$1, k]) } / Double(text.count))
      }
    }
    for (kind, features) in [("mean", means), ("last", lasts), ("all", every)] {
      let wanted = FeatureSpectrum(features, rows: features.count / 6, columns: 6)
      let value = try #require(result["features.\(kind).effective_rank"])
      #expect(
        abs(value - wanted.effectiveRank) < 1e-4 && value > 1, "\(kind): \(value), by hand \(wanted.effectiveRank)")
      #expect(result["features.\(kind).rows"] == Double(features.count / 6))
    }
    #expect(result.notes.isEmpty)
  }

  @Test func threadsDoNotChangeABit() throws {
    let one = try FeatureMeasure(.init()).measure(windows(texts), context())
    #expect(try FeatureMeasure(.init()).measure(windows(texts), context(threads: 3)) == one)
  }

  /// Windows that are all alike have no spread, and too few of them are reported.
  @Test func equalWindowsHaveNoRank() throws {
    let result = try FeatureMeasure(.init()).measure(windows([[4, 5, 6, 7], [4, 5, 6, 7], [4, 5, 6, 7]]), context())
    #expect(result["features.mean.effective_rank"] == 0)
    #expect(result.notes.contains { $0.contains("features.mean has 3 rows for 6 dimensions") })
    #expect(throws: DataError.self) { try FeatureMeasure(.init()).measure(windows([[4, 5, 6, 7]]), context()) }
  }

  @Test func impossibleOptionsAreNamed() {
    var options = FeatureMeasure.Options()
    options.positions = -1
    #expect { try FeatureMeasure(options) } throws: {
      "\($0)" == "measures.features.positions is -1; it must be 0 (all) or more."
    }
  }
}
