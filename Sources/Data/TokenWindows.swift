import Core

/// What stands around the tokens of a sample.
public enum Framing: String, Codable, Sendable, CaseIterable {
  case none
  /// [CLS], context − 2 tokens, [SEP], as BERT reads text.
  case clsSep = "cls-sep"
}

/// Every document is a sample of its own, without its end and padded, instead of a part of windows over all of them.
public struct WholeDocuments: Sendable, Equatable {
  /// Tokens of a document come in groups of so many: 2 for pairs.
  public let unit: Int

  public init(unit: Int = 1) { self.unit = unit }

  /// The tokens of each document that holds any, its end left out.
  ///
  /// - Throws: `DataError` that names the longest document when it does not fit `context`, or one whose groups are not
  ///   whole.
  func cuts(_ stream: some TokenStream, end: Int32?, context: Int, name: String) throws(DataError) -> [Range<Int>] {
    let starts = stream.documentStarts
    var cuts: [Range<Int>] = []
    for (index, start) in starts.enumerated() {
      var stop = index + 1 < starts.count ? starts[index + 1] : stream.tokenCount
      if let end, stop > start, stream.token(at: stop - 1) == end { stop -= 1 }
      guard (stop - start) % unit == 0 else {
        throw DataError(
          name, "has a document of \(stop - start) tokens, number \(index + 1), and they come in groups of \(unit).",
          remedy:
            "Complete its last group, such as a role before every entity; splitting the tail off the text can cut one, splitting by document cannot."
        )
      }
      if stop > start { cuts.append(start..<stop) }
    }
    if let longest = cuts.map(\.count).max(), longest > context {
      throw DataError(
        name, "has a document of \(longest) tokens, and each must fit into a sample of \(context).",
        remedy: "Set model.max_position to at least \(longest), or leave such documents out.")
    }
    return cuts
  }
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
/// padding id and document −1: the end of the last sample, what lies past the end of the stream, and the
/// lookahead behind a [SEP]. [CLS] and [SEP] have the documentIDs of their neighbours. Nothing is dropped.
struct TokenWindows<Stream: TokenStream>: Sendable {
  let stream: Stream
  let context: Int
  let lookahead: Int
  let order: SampleOrder
  let padding: Int32
  /// The ids of [CLS] and [SEP], or nil without framing.
  let frame: (cls: Int32, sep: Int32)?
  /// The tokens of each sample where samples are documents; nil for windows.
  private let documents: [Range<Int>]?

  init(
    _ stream: Stream, vocabulary: Vocabulary, context: Int, lookahead: Int, order: SampleOrder, framing: Framing,
    documents: WholeDocuments? = nil, name: String
  ) throws(DataError) {
    precondition(documents == nil || framing == .none, "whole documents are not framed")
    precondition(
      context >= 1 && lookahead >= 0,
      "a sample needs a context of at least 1 and a lookahead of at least 0, not \(context) and \(lookahead)")
    guard stream.tokenCount > 0 else {
      throw DataError(
        name, "holds no tokens.", remedy: "Prepare a corpus with more text, or with a larger share for this split.")
    }
    (self.stream, self.context, self.lookahead, self.order) = (stream, context, lookahead, order)
    self.padding = vocabulary.pad ?? 0
    self.frame = try Self.frame(framing, vocabulary, context: context, name: name)
    guard let documents else {
      self.documents = nil
      return
    }
    let cuts = try documents.cuts(stream, end: vocabulary.endOfDocument, context: context, name: name)
    guard !cuts.isEmpty else {
      throw DataError(name, "holds no document with a token.", remedy: "Prepare a corpus with more text.")
    }
    self.documents = cuts
  }

  private static func frame(_ framing: Framing, _ vocabulary: Vocabulary, context: Int, name: String) throws(DataError)
    -> (
      cls: Int32, sep: Int32
    )?
  {
    if framing == .none { return nil }
    guard let cls = vocabulary.cls, let sep = vocabulary.sep else {
      throw DataError(
        name, "has a tokeniser without [CLS] and [SEP], which the framing cls-sep needs.",
        remedy: "Use the framing none.")
    }
    guard context >= 3 else {
      throw DataError(
        name, "cannot be framed by [CLS] and [SEP] in a context of \(context).", remedy: "Use a context of at least 3.")
    }
    return (cls, sep)
  }

  /// Tokens of the stream a sample owns.
  var window: Int { frame == nil ? context : context - 2 }
  var samplesPerEpoch: Int { documents?.count ?? (stream.tokenCount + window - 1) / window }

  func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let stride = context + lookahead
    var batch = SampleBatch(
      sampleIDs: Array(positions), length: context, lookahead: lookahead,
      tokens: [Int32](repeating: padding, count: positions.count * stride),
      documentIDs: [Int32](repeating: -1, count: positions.count * stride))
    let count = samplesPerEpoch
    for (row, position) in positions.enumerated() {
      let index = order.index(at: position, of: count)
      batch.indices[row] = UInt64(index)
      batch.epochs[row] = position / UInt64(count)
      if let documents {
        try stream.copy(documents[index].count, from: documents[index].lowerBound, into: &batch, at: row * stride)
      } else {
        try fill(&batch, at: row * stride, from: index * window)
      }
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
    batch.documentIDs[offset] = batch.documentIDs[offset + 1]
    batch.documentIDs[offset + count + 1] = batch.documentIDs[offset + count]
  }
}
