import Checkpoints
import Core
import Data
import Foundation
import Tokenizers

/// Whether a corpus speaks the language of a model: equal sizes say nothing.
public enum TokenizerMatch {
  /// A corpus to measure a model on: as many ids as the model has, and the same ones.
  /// - Throws: `DataError` that says which tokeniser to prepare with.
  public static func requireFit(model folder: String, corpus: Corpus) throws {
    let size = try HuggingFaceSource(folder).configuration.vocabulary
    guard corpus.vocabulary.size == size else {
      throw DataError(
        corpus.folder, "was made with a tokeniser of \(corpus.vocabulary.size) ids, the model has \(size).",
        remedy: "Prepare the text with the model's tokeniser: lockstep prepare --tokenizer \(folder).")
    }
    try require(model: folder, corpus: corpus)
  }

  /// The corpus's first ids must be the model's; more may follow.
  /// A folder with weights alone, as `model.save_pretrained` leaves it, says nothing of its tokens; sizes are compared elsewhere.
  /// - Throws: `DataError` naming the first id that stands for another token.
  public static func require(model folder: String, corpus: Corpus) throws {
    let names = ["tokenizer.json", "vocab.json", "vocab.txt"]
    guard names.contains(where: { FileManager.default.fileExists(atPath: folder + "/" + $0) }) else { return }
    let model = try TokenizerLoader.load(folder)
    let data = try TokenizerLoader.load(corpus.folder)
    let shared = Int32(min(model.vocabulary.size, data.vocabulary.size))
    guard let id = (0..<shared).first(where: { model.token($0) != data.token($0) }) else { return }
    throw DataError(
      corpus.folder,
      "was made with another tokeniser than the model's: id \(id) is \(data.token(id)?.debugDescription ?? "nothing") there and \(model.token(id)?.debugDescription ?? "nothing") in \(folder).",
      remedy: "Prepare the text with the model's tokeniser: lockstep prepare --tokenizer \(folder).")
  }
}
