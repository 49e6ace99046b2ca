import Core

/// What stands around the tokens of a sample.
public enum Framing: String, Codable, Sendable, CaseIterable {
  case none
  /// [CLS], context − 2 tokens, [SEP], as BERT reads text.
  case clsSep = "cls-sep"
}

/// In which order samples come.
public enum SampleOrder: Sendable, Equatable {
  /// As in the corpus, every epoch alike: for validation.
  case sequential
  /// A permutation of its own for every epoch.
  case shuffled(seed: UInt64)

  /// The sample at place `position % count` of epoch `position / count`.
  func index(at position: UInt64, of count: Int) -> Int {
    let (epoch, place) = position.quotientAndRemainder(dividingBy: UInt64(count))
    switch self {
    case .sequential: return Int(place)
    case .shuffled(let seed): return KeyedPermutation(count: count, seed: seed, epoch: epoch)[Int(place)]
    }
  }
}

/// Cuts a stream of tokens into samples.
///
/// Concretely: with `window` = context (less 2 for [CLS] and [SEP]), sample i holds tokens i·window ..<
/// (i + 1)·window and, without framing, the `lookahead` tokens after them. Positions without a token have the
/// padding id and segment −1: the end of the last sample, what lies past the end of the stream, and the
/// lookahead behind a [SEP]. [CLS] and [SEP] have the segments of their neighbours. Nothing is dropped.
struct TokenWindows<Stream: TokenStream>: Sendable {
  let stream: Stream
  let context: Int
  let lookahead: Int
  let order: SampleOrder
  let padding: Int32
  /// The ids of [CLS] and [SEP], or nil without framing.
  let frame: (cls: Int32, sep: Int32)?

  init(
    _ stream: Stream, vocabulary: Vocabulary, context: Int, lookahead: Int, order: SampleOrder, framing: Framing, name: String
  ) throws(DataError) {
    precondition(context >= 1 && lookahead >= 0, "a sample needs a context of at least 1 and a lookahead of at least 0, not \(context) and \(lookahead)")
    guard stream.tokenCount > 0 else {
      throw DataError(name, "holds no tokens.", remedy: "Prepare a corpus with more text, or with a larger share for this split.")
    }
    (self.stream, self.context, self.lookahead, self.order) = (stream, context, lookahead, order)
    self.padding = vocabulary.pad ?? 0
    self.frame = try Self.frame(framing, vocabulary, context: context, name: name)
  }

  private static func frame(_ framing: Framing, _ vocabulary: Vocabulary, context: Int, name: String) throws(DataError) -> (
    cls: Int32, sep: Int32
  )? {
    if framing == .none { return nil }
    guard let cls = vocabulary.cls, let sep = vocabulary.sep else {
      throw DataError(name, "has a tokeniser without [CLS] and [SEP], which the framing cls-sep needs.", remedy: "Use the framing none.")
    }
    guard context >= 3 else {
      throw DataError(name, "cannot be framed by [CLS] and [SEP] in a context of \(context).", remedy: "Use a context of at least 3.")
    }
    return (cls, sep)
  }

  /// Tokens of the stream a sample owns.
  var window: Int { frame == nil ? context : context - 2 }
  var samplesPerEpoch: Int { (stream.tokenCount + window - 1) / window }

  func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let stride = context + lookahead
    var batch = SampleBatch(
      positions: Array(positions), length: context, lookahead: lookahead,
      tokens: [Int32](repeating: padding, count: positions.count * stride),
      segments: [Int32](repeating: -1, count: positions.count * stride))
    let count = samplesPerEpoch
    for (row, position) in positions.enumerated() {
      let index = order.index(at: position, of: count)
      batch.indices[row] = UInt64(index)
      batch.visits[row] = position / UInt64(count)
      try fill(&batch, at: row * stride, from: index * window)
    }
    return batch
  }

  private func fill(_ batch: inout SampleBatch, at offset: Int, from start: Int) throws {
    guard let frame else {
      try stream.copy(min(context + lookahead, stream.tokenCount - start), from: start, into: &batch, at: offset)
      return
    }
    let count = min(window, stream.tokenCount - start)
    try stream.copy(count, from: start, into: &batch, at: offset + 1)
    batch.tokens[offset] = frame.cls
    batch.tokens[offset + count + 1] = frame.sep
    batch.segments[offset] = batch.segments[offset + 1]
    batch.segments[offset + count + 1] = batch.segments[offset + count]
  }
}
