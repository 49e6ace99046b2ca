import Core
import Data
import Kernels
import Layers
import Models
import Tensors

/// Windows of the same text for every model of a vocabulary, and the probabilities a model gives their tokens.
///
/// A window is context − 2 consecutive tokens of the split, framed by [CLS] and [SEP] where the model was trained so:
/// causal and masked models then predict the same tokens.
public struct TextWindows: Sendable {
  /// Ids of each window, without a frame; −1 documentIDs are left out, so the last may be shorter.
  let windows: [[Int32]]
  let framing: Framing
  private let vocabulary: Vocabulary
  private let isSpecial: Set<Int32>

  /// - Parameter count: at most so many windows, evenly spread over the split; 0 for all.
  init(_ context: MeasureContext, count: Int, measure: String) throws {
    let model = context.model
    let corpus = try context.requireCorpus(measure)
    let length = max(1, model.configuration.maxPosition - 2)
    let data = try TokenDataset(corpus, split: context.split, context: length, lookahead: 0, order: .sequential)
    let all = data.samplesPerEpoch
    let wanted = SpreadSource.count(count, of: data)
    windows = try (0..<wanted).map { index in
      let place = UInt64(SpreadSource.place(index, of: wanted, in: all))
      let batch = try data.samples(at: place..<place + 1)
      return zip(batch.tokens, batch.documentIDs).filter { $0.1 >= 0 }.map(\.0)
    }
    framing = try model.framing()
    vocabulary = model.vocabulary
    isSpecial = Set(model.vocabulary.special)
  }

  /// Windows given as they are.
  public init(_ windows: [[Int32]], framing: Framing, vocabulary: Vocabulary) {
    (self.windows, self.framing, self.vocabulary) = (windows, framing, vocabulary)
    isSpecial = Set(vocabulary.special)
  }

  /// A window as the model reads it.
  func framed(_ index: Int) -> [Int32] {
    guard framing == .clsSep, let cls = vocabulary.cls, let sep = vocabulary.sep else { return windows[index] }
    return [cls] + windows[index] + [sep]
  }

  /// Positions of a framed window that count: ordinary tokens after the first, which every model is given.
  func scoredPositions(_ tokens: [Int32]) -> [Int] {
    let ordinary = tokens.indices.filter { !isSpecial.contains(tokens[$0]) }
    return Array(ordinary.dropFirst())
  }
}

/// One window as the network reads it, and which positions are scored.
struct ScoredInput {
  var tokens: [Int32]
  /// Rows of the output that predict, and the target of each.
  var rows: [Int]
  var targets: [Int32]
}

/// Scores the targets of inputs at a time.
struct TokenReader: Sendable {
  let encoder: Transformer
  let head: VocabularyHead
  let parameters: ParameterStore
  let microBatch: Int

  /// - Returns: nil for a network without a vocabulary head.
  init?(_ model: MeasuredModel, microBatch: Int) {
    guard let head = model.encoder.head else { return nil }
    (encoder, self.head, parameters, self.microBatch) = (model.encoder, head, model.parameters, microBatch)
  }

  func makeWorkspace() -> ForwardWorkspace {
    ForwardWorkspace(encoder, samples: microBatch, length: encoder.configuration.maxPosition)
  }

  /// −ln p of the targets of each scored input, in order; inputs are of equal length.
  ///
  /// `microBatch` inputs are computed together, the last group filled up with its first input: the shapes, and so the
  /// bits, do not depend on how many there are.
  func negativeLogLikelihoods(_ scoredInputs: [ScoredInput], _ workspace: ForwardWorkspace) -> [[Double]] {
    guard let length = scoredInputs.first?.tokens.count, let saved = workspace.transformer.head else { return [] }
    let pass = Pass(parameters)
    var result: [[Double]] = []
    for start in stride(from: 0, to: scoredInputs.count, by: microBatch) {
      let group = Array(scoredInputs[start..<min(start + microBatch, scoredInputs.count)])
      let filled = group + [ScoredInput](repeating: group[0], count: microBatch - group.count)
      let input = SequenceInput(
        sampleIDs: [UInt64](repeating: 0, count: microBatch), length: length, tokens: filled.flatMap(\.tokens),
        ranges: AttentionRanges(
          samples: microBatch, length: length, documentIDs: [Int32](repeating: 0, count: microBatch * length),
          causal: encoder.configuration.attentionMask == .causal, documentMasking: false))
      let hidden = encoder.forward(input, pass, workspace.transformer)
      for (sample, scored) in group.enumerated() {
        var losses: [Double] = []
        for slice in stride(from: 0, to: scored.rows.count, by: head.sliceRows) {
          let part = slice..<min(slice + head.sliceRows, scored.rows.count)
          let logits = head.logits(hidden, rows: scored.rows[part].map { sample * length + $0 }, pass, saved)
          losses += part.map { negativeLogLikelihood(logits, row: $0 - slice, of: scored.targets[$0]) }
        }
        result.append(losses)
      }
    }
    return result
  }
}

/// −ln softmax(z)[target] of a row of logits, in double precision.
func negativeLogLikelihood(_ logits: TensorView, row: Int, of target: Int32) -> Double {
  let z = logits.base + row * logits.columns
  var peak = z[0]
  for i in 1..<max(logits.columns, 1) { peak = max(peak, z[i]) }
  var total = 0.0
  for i in 0..<logits.columns { total += exponential(Double(z[i] - peak)) }
  return naturalLogarithm(total) - Double(z[Int(target)] - peak)
}
