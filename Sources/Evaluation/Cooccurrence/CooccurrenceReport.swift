import Collectives
import Core
import Kernels

/// The context–target co-occurrence of a scheme in a corpus, estimated from pairs drawn at random.
public struct CooccurrenceReport: Codable, Sendable, Equatable {
  public var scheme: PairScheme
  public var options: PairOptions
  public var pairs: Int
  public var conditions: Int
  public var targets: Int
  /// Of the pairs that were drawn: finite sampling alone adds components, so compare equal numbers of pairs only.
  public var components: Int
  /// The leading ones, σ₁ = 1 first.
  public var singularValues: [Double]
  /// Σ σᵢ² over all of them, found or not.
  public var squaredSum: Double
  /// Σ_{i>k} σᵢ² for k = 0 … the number of values found.
  public var tails: [Double]
  /// The probability that two pairs with conditions of one shape have the same target.
  public var collision: Double
  /// 1 for next-token prediction, m, or the mean number of hidden tokens.
  public var targetsPerCondition: Double
  /// Their product: how many of a condition's targets another condition of its shape shares on average.
  public var collisionRate: Double

  public init(_ counts: PairCounts, _ scheme: PairScheme, _ options: PairOptions) {
    let matrix = CooccurrenceMatrix(counts.pairs.mapValues(Double.init))
    (self.scheme, self.options, pairs) = (scheme, options, counts.total)
    (conditions, targets, components) = (matrix.conditions.count, matrix.targets.count, matrix.components)
    singularValues = matrix.leadingSingularValues(options.rank, seed: options.seed)
    squaredSum = matrix.squaredSum
    tails = singularValues.reduce(into: [matrix.squaredSum]) { $0.append(max(($0.last ?? 0) - $1 * $1, 0)) }
    (collision, targetsPerCondition) = (counts.collision, scheme.targetsPerCondition)
    collisionRate = collision * targetsPerCondition
  }

  /// Counts `options.pairs` pairs of `documents`, divided over the ranks, and describes them; the same on every rank,
  /// and for any number of ranks to the bit. Collective: every rank has the same documents.
  ///
  /// - Throws: `ConfigurationError` for options out of range, `DataError` when the documents have no pairs,
  ///   `CollectiveError`.
  /// - Complexity: pairs / ranks draws; all ranks hold all distinct pairs, three words each.
  public static func measure(
    _ documents: [[Int32]], _ scheme: PairScheme, _ options: PairOptions,
    over communicator: any Communicator = SingleRank()
  ) throws -> CooccurrenceReport {
    let sampler = try PairSampler(documents, scheme, options)
    let (rank, size) = (communicator.rank, communicator.size)
    let mine = options.pairs * rank / size..<options.pairs * (rank + 1) / size
    let counts = try sampler.counts(mine)
    var all = PairCounts()
    for root in 0..<size {
      let bytes = try communicator.broadcast(rank == root ? counts.words.withUnsafeBytes(Array.init) : [], from: root)
      all.add(
        PairCounts(
          words: bytes.withUnsafeBytes { raw in
            (0..<raw.count / 8).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
          }))
    }
    return CooccurrenceReport(all, scheme, options)
  }
}
