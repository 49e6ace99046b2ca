import Collectives
import Core
import Data
import Evaluation
import Kernels
import Layers
import Metrics
import Models
import Tensors
import Tokenizers

/// Texts as the model reads them: cut at the context, framed as in training.
struct EncodedTexts: Sendable {
  let tokens: [[Int32]]
  /// [CLS] and [SEP] stand around each.
  let framed: Bool
  /// How many were longer than the context.
  let cut: Int

  /// - Throws: `DataError` for a text of which the tokeniser leaves nothing.
  init(_ texts: [[UInt8]], _ tokenizer: any Tokenizer, _ model: MeasuredModel) throws {
    let framing = try model.framing()
    let frame: (Int32, Int32)?
    if framing == .clsSep, let cls = model.vocabulary.cls, let sep = model.vocabulary.sep {
      frame = (cls, sep)
    } else {
      frame = nil
    }
    let room = model.configuration.maxPosition - (frame == nil ? 0 : 2)
    guard room >= 1 else {
      throw DataError(
        model.path, "has a context of \(model.configuration.maxPosition), too short for a text between [CLS] and [SEP]."
      )
    }
    var cut = 0
    tokens = try texts.map { text in
      let ids = tokenizer.encode(text, specialIsText: true)
      guard !ids.isEmpty else {
        throw DataError(
          "the text \(String(decoding: text.prefix(40), as: UTF8.self).debugDescription)",
          "has no tokens under the model's tokeniser.",
          remedy: "Remove the row.")
      }
      if ids.count > room { cut += 1 }
      return (frame.map { [$0.0] } ?? []) + ids.prefix(room) + (frame.map { [$0.1] } ?? [])
    }
    (framed, self.cut) = (frame != nil, cut)
  }

  /// Texts given as they are.
  init(_ tokens: [[Int32]], framed: Bool) { (self.tokens, self.framed, cut) = (tokens, framed, 0) }
}

/// Texts that are computed together, filled up with padding to the longest of them.
struct TextGroups: Sendable {
  /// `size` texts each of neighbouring lengths, but for the last; as indices.
  let groups: [[Int]]
  let size: Int
  private let tokens: [[Int32]]
  private let causal: Bool

  init(_ texts: EncodedTexts, of indices: Range<Int>? = nil, size: Int, causal: Bool) {
    (tokens, self.size, self.causal) = (texts.tokens, size, causal)
    let tokens = tokens
    let order = (indices ?? tokens.indices).sorted { (tokens[$0].count, $0) < (tokens[$1].count, $1) }
    groups = stride(from: 0, to: order.count, by: size).map { Array(order[$0..<min($0 + size, order.count)]) }
  }

  /// A short last group is filled up with its first text, so that every product has the rows of a full group.
  func input(_ group: Int) -> SequenceInput {
    let texts = groups[group].map { tokens[$0] }
    let length = texts.reduce(1) { max($0, $1.count) }
    let filled = texts + [[Int32]](repeating: texts[0], count: size - texts.count)
    let documentIDs = filled.flatMap {
      [Int32](repeating: 0, count: $0.count) + [Int32](repeating: -1, count: length - $0.count)
    }
    return SequenceInput(
      sampleIDs: [UInt64](repeating: 0, count: size), length: length,
      tokens: filled.flatMap { $0 + [Int32](repeating: 0, count: length - $0.count) },
      ranges: AttentionRanges(
        samples: size, length: length, documentIDs: documentIDs, causal: causal, documentMasking: false))
  }
}

extension MeasureContext {
  /// The features of texts under the frozen network: one matrix [texts, width] a feature.
  ///
  /// `microBatch` texts of neighbouring lengths are computed together; such a group is the item that is partitioned
  /// over ranks and threads.
  /// - Parameter parameters: in place of the model's.
  func features(_ features: [Pooling], _ texts: EncodedTexts, parameters: ParameterStore? = nil) throws
    -> [DenseExamples]
  {
    let (encoder, parameters, microBatch) = (model.encoder, parameters ?? model.parameters, microBatch)
    let groups = TextGroups(texts, size: microBatch, causal: encoder.configuration.attentionMask == .causal)
    let width = encoder.configuration.hiddenSize
    let size = features.count * width
    var result = features.map { _ in DenseExamples(rows: texts.tokens.count, columns: width) }
    // Portions bound the memory of the sum over ranks.
    let portion = max(1, (1 << 22) / (microBatch * size))
    let meter = meters?.start(
      activity, total: (groups.groups.count + communicator.size - 1) / communicator.size, unit: "groups of texts")
    defer { meter?.finish() }
    for start in stride(from: 0, to: groups.groups.count, by: portion) {
      let part = Array(start..<min(start + portion, groups.groups.count))
      let rows = try rows(
        part.count, columns: microBatch * size, meter: meter,
        workspace: { ForwardWorkspace(encoder, samples: microBatch, length: encoder.configuration.maxPosition) }
      ) { index, workspace in
        let input = groups.input(part[index])
        let hidden = encoder.forward(input, Pass(parameters), workspace.transformer)
        return (0..<microBatch).flatMap { sample in
          features.flatMap {
            $0.rows(of: input.realRows(of: sample), framed: texts.framed).mean(of: hidden, from: sample * input.length)
          }
        }
      }
      for (group, row) in zip(part, rows) {
        for (place, text) in groups.groups[group].enumerated() {
          for f in features.indices {
            result[f].set(text, row[place * size + f * width..<place * size + (f + 1) * width])
          }
        }
      }
    }
    return result
  }
}
