import Core
import Data
import HuggingFace
import Tokenizers

/// Whether the tokeniser of a corpus is that of a model: its ids must stand for the same tokens. Equal sizes do not
/// suffice.
///
/// A model may have more rows than its tokeniser has tokens (padded to a multiple of 64, say), and a corpus more tokens
/// than the model's tokeniser (`prepare --add-tokens`).
public enum TokenizerMatch {
  /// A corpus to measure a model on: none of its ids may be beyond the model's rows, and the model's tokens must be its
  /// own.
  /// - Throws: `DataError` that says which tokeniser to prepare with.
  public static func requireFit(model folder: String, corpus: Corpus) throws {
    let configuration = try HuggingFaceSource(folder).configuration
    // Numbers have no tokens; their shape is compared where the model is opened.
    if configuration.inputSize > 0, corpus.manifest.values != nil { return }
    let rows = configuration.vocabSize
    guard corpus.vocabulary.size <= rows else {
      throw DataError(
        corpus.folder, "was made with a tokeniser of \(corpus.vocabulary.size) ids, the model has rows for \(rows).",
        remedy: remedy(folder).dropLast() + ", without --add-tokens.")
    }
    try require(model: folder, corpus: corpus)
  }

  /// Every id of the model's tokeniser must be the same token in the corpus's, which may have more, and both must cut
  /// text alike. A folder with weights alone, as `model.save_pretrained` leaves it, says nothing of its tokens; sizes
  /// are compared elsewhere.
  /// - Throws: `DataError` naming the first id that stands for another token, or the text that is cut otherwise.
  public static func require(model folder: String, corpus: Corpus) throws {
    guard TokenizerLoader.isTokenizer(folder) else { return }
    try require(try TokenizerLoader.load(folder), folder, try TokenizerLoader.load(corpus.folder), corpus.folder)
  }

  static func require(_ model: any Tokenizer, _ modelPlace: String, _ data: any Tokenizer, _ dataPlace: String)
    throws(DataError)
  {
    func name(_ id: Int32, _ tokenizer: any Tokenizer) -> String { tokenizer.token(id)?.debugDescription ?? "nothing" }
    if let id = (0..<Int32(model.vocabulary.size)).first(where: { model.token($0) != data.token($0) }) {
      throw DataError(
        dataPlace,
        "was made with another tokeniser than the model's: id \(id) is \(name(id, data)) there and \(name(id, model)) in \(modelPlace).",
        remedy: remedy(modelPlace))
    }
    for text in samples {
      let (theirs, ours) = (model.encode(text, specialIsText: true), data.encode(text, specialIsText: true))
      guard theirs != ours else { continue }
      throw DataError(
        dataPlace,
        "was made with a tokeniser that has the model's tokens and cuts text otherwise: \(text.debugDescription) is \(ours) there and \(theirs) in \(modelPlace).",
        remedy: remedy(modelPlace))
    }
  }

  /// Texts that distinguish tokenisers of one vocabulary: a first word, case, accents, ideographs, digits,
  /// contractions, white space.
  private static let samples = [
    "The end", "the end of it", "THE HOUSE", "caf\u{E9} cafe\u{301}", "\u{4E2D}\u{6587}", "in 1234567", "it's they'RE",
    "a  b\n\n c \t\nd",
  ]

  private static func remedy(_ folder: String) -> String {
    "Prepare the text with the model's tokeniser: lockstep prepare --tokenizer \(folder)."
  }
}
