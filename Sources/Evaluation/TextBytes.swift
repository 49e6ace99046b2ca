import Core
import Data
import Tokenizers

/// How many bytes of text each id stands for, so that a part of a split is divided by the bytes of that part.
///
/// *Concretely:* the bytes the tokeniser decodes an id to, special ids none, times the share that makes all ids of the
/// split together its bytes of raw text. For byte-level tokenisers that share is 1; WordPiece and words leave out
/// spaces and case.
struct TextBytes: Sendable {
  /// By id.
  let ofIds: [Double]

  init(_ corpus: Corpus, _ split: CorpusSplit) throws {
    let tokenizer = try TokenizerLoader.load(corpus.folder)
    let counts = try corpus.idCounts(split)
    self.init(
      lengths: counts.indices.map { Double(tokenizer.decode([Int32($0)], skipSpecial: true).count) }, counts: counts,
      textBytes: corpus.manifest.shards(split).textBytes)
  }

  /// - Parameters:
  ///   - lengths: bytes each id decodes to.
  ///   - counts: how often each id stands in the text of `textBytes` bytes.
  init(lengths: [Double], counts: [Int], textBytes: Int) {
    let all = zip(counts, lengths).reduce(0) { $0 + Double($1.0) * $1.1 }
    let share = all > 0 ? Double(textBytes) / all : 0
    ofIds = lengths.map { $0 * share }
  }

  func count(_ ids: some Sequence<Int32>) -> Double {
    ids.reduce(0) { $0 + (ofIds.indices.contains(Int($1)) ? ofIds[Int($1)] : 0) }
  }
}
