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

/// Which hidden states of the last layer stand for a text: their mean over a range of positions.
public enum TextFeature: String, Sendable, CaseIterable {
  /// The position of [CLS].
  case cls
  /// All positions of the text, without [CLS] and [SEP].
  case mean
  /// The last position of the text.
  case last

  /// - Parameters:
  ///   - count: positions of the text as the model reads it, frame included.
  ///   - framed: [CLS] stands first and [SEP] last.
  func rows(of count: Int, framed: Bool) -> Range<Int> {
    let (start, end) = framed ? (1, count - 1) : (0, count)
    return switch self {
    case .cls: 0..<1
    case .mean: start..<end
    case .last: end - 1..<end
    }
  }

  /// The features that an option asks for; `all` leaves [CLS] out where there is none.
  /// - Throws: `ConfigurationError` for [CLS] of a model that was trained without.
  static func chosen(_ option: String, framed: Bool, measure: String) throws(ConfigurationError) -> [TextFeature] {
    guard let one = TextFeature(rawValue: option) else { return framed ? [.cls, .mean, .last] : [.mean, .last] }
    guard one != .cls || framed else {
      throw ConfigurationError(
        "measures.\(measure).features", is: option,
        rule: "but this model was trained on samples without [CLS]; use mean or last.")
    }
    return [one]
  }

  /// What is wrong with an option that takes a feature, or `all` where `several`.
  static func problems(_ option: String, key: String, several: Bool) -> [ConfigurationError.Problem] {
    let allowed = allCases.map(\.rawValue) + (several ? ["all"] : [])
    return allowed.contains(option)
      ? [] : [.init(key: key, sentence: "is \(option); it must be one of \(allowed.joined(separator: ", ")).")]
  }
}

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

extension SequenceInput {
  /// Positions of a sample that are no padding.
  func realRows(of sample: Int) -> Int {
    // Padding sees padding only, and so nothing at the start of its sample.
    (0..<length).first { ranges.first[sample * length + $0] > 0 } ?? length
  }
}

extension MeasureContext {
  /// The features of texts under the frozen network: one matrix [texts, width] a feature.
  ///
  /// `microBatch` texts of neighbouring lengths are computed together; such a group is the item that is partitioned
  /// over ranks and threads.
  /// - Parameter parameters: in place of the model's.
  func features(_ features: [TextFeature], _ texts: EncodedTexts, parameters: ParameterStore? = nil) throws
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

extension Range<Int> {
  /// The mean of these rows of a matrix, counted from `start`.
  fileprivate func mean(of x: TensorView, from start: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: x.columns)
    for row in self { for j in 0..<x.columns { sums[j] += Double(x[start + row, j]) } }
    return sums.map { $0 / Double(count) }
  }
}
