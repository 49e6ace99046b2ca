import Collectives
import Core
import Evaluation
import Foundation
import Preparation
import Storage
import Tokenizers

/// Vectors of texts under a frozen network, for search, clustering or a classifier elsewhere.
public struct TextEmbedding: Sendable {
  public let rows: Int
  public let columns: Int
  /// [rows, columns], row-major, in the order of the texts.
  public let values: [Float]
  /// What a reader must know, such as how many texts were cut.
  public let notes: [String]

  /// Collective: the same values on every rank and any number of ranks.
  ///
  /// - Parameters:
  ///   - file: one text per line, or JSON lines, CSV, TSV, as `choice` reads them. Rank 0 alone needs to have it.
  ///   - feature: which states of the last layer are averaged.
  /// - Throws: `DataError` naming the file or the text; `ConfigurationError` for a feature that the model does not
  ///   have.
  public init(ofTextsIn file: String, _ choice: InputChoice, feature: Pooling, _ context: MeasureContext) throws {
    let (texts, odd) = try Self.texts(in: file, choice, context.communicator)
    let tokenizer = try TokenizerLoader.load(context.model.path)
    let encoded = try EncodedTexts(texts, tokenizer, context.model)
    guard feature != .cls || encoded.framed else {
      throw ConfigurationError(
        "--feature", is: feature.rawValue,
        rule: "but this model was trained on samples without [CLS]; use mean or last.")
    }
    let features = try context.features([feature], encoded)[0]
    (rows, columns, values) = (features.rows, features.columns, features.values.map { Float($0) })
    notes = encoded.notes(context: context.model.configuration.maxPosition) + odd
  }

  /// Read on rank 0, sent to all; rank 0 alone has the notes about the file.
  private static func texts(in file: String, _ choice: InputChoice, _ communicator: any Communicator) throws -> (
    [[UInt8]], notes: [String]
  ) {
    var (bytes, notes) = ([UInt8](), [String]())
    if communicator.rank == 0 {
      var texts: [Data] = []
      notes = try DocumentReader.forEachDocument(ofFile: file, choice: choice) { texts.append(Data($0)) }
      if let blank = texts.firstIndex(where: { $0.allSatisfy { $0 <= 0x20 } }) {
        throw DataError(
          "\(file), text \(blank + 1)", "is empty.",
          remedy: "Remove it: every text of the file becomes a row of the output.")
      }
      guard !texts.isEmpty else {
        throw DataError(
          file, "holds no text.", remedy: "Name a file with one text per line, or JSON lines, CSV or TSV.")
      }
      bytes = [UInt8](try JSONEncoder.snakeCase().encode(texts))
    }
    bytes = try communicator.broadcast(bytes)
    return (try JSONDecoder.snakeCase().decode([Data].self, from: Data(bytes)).map { [UInt8]($0) }, notes)
  }
}
