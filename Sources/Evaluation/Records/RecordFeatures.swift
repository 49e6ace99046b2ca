import Core
import Data
import Tensors

/// The features of records of numbers: what `features` measures on such models.
///
/// *Concretely:* the last hidden states of each record with nothing hidden give the features `cls` where the model has
/// [CLS], `mean` over its positions, the `last` position, and up to `most` evenly spread positions (`all`).
struct RecordFeatures {
  /// Names with their features, [rows, width] each.
  let kinds: [(name: String, values: [Float])]

  /// Collective.
  /// - Parameters:
  ///   - records: at most so many records, evenly spread over the split; 0 for all.
  ///   - most: positions of a record that are features of `all`; 0 for every one.
  init(_ context: MeasureContext, records: Int, positions most: Int, measure: String) throws {
    let (model, corpus) = (context.model, try context.requireCorpus(measure))
    let source = SpreadSource(try model.samples(corpus, context.split), count: records)
    let (width, places) = (model.configuration.hiddenSize, model.configuration.maxPosition)
    let single = most == 0 ? places : min(most, places)
    let poolings: [Pooling] = model.configuration.leadingRows > 0 ? [.cls, .mean, .last] : [.mean, .last]
    let rows = try context.recordRows(source, columns: 1 + (poolings.count + single) * width) { states in
      let count = min(single, states.positions)
      let chosen = (0..<count).flatMap { states.position($0 * states.positions / count) }
      return [Double(count)] + poolings.flatMap { states.pooled($0) } + chosen
        + [Double](repeating: 0, count: (single - count) * width)
    }
    guard rows.count > 1 else {
      throw DataError(
        corpus.folder, "has fewer than two records in its \(context.split.rawValue) split.",
        remedy: "Name the other split, or prepare a corpus with more records.")
    }
    func features(_ part: ([Double]) -> ArraySlice<Double>) -> [Float] { rows.flatMap { part($0).map { Float($0) } } }
    kinds =
      poolings.enumerated().map { index, pooling in
        (pooling.rawValue, features { $0[1 + index * width..<1 + (index + 1) * width] })
      } + [("all", features { $0[(1 + poolings.count * width)..<1 + (poolings.count + Int($0[0])) * width] })]
  }
}
