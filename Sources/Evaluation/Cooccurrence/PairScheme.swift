import Core
import Objectives

/// What an objective shows and predicts in a window of a corpus.
public enum PairScheme: Codable, Sendable, Equatable {
  /// The last tokens before a place, and a token at offset δ ∈ 1 … `offsets` further on, δ drawn by `distribution`
  /// among those in the window.
  case ahead(offsets: Int, distribution: OffsetDistribution = .uniform)
  /// The visible neighbours of one of `hidden` hidden tokens.
  case masked(hidden: Int)
  /// The same with a number of hidden tokens drawn evenly from `lowest` … `highest` for every window.
  case maskedEvenly(lowest: Int, highest: Int)

  /// Targets that a condition predicts together, on average.
  public var targetsPerCondition: Double {
    switch self {
    case .ahead(let offsets, _): Double(offsets)
    case .masked(let hidden): Double(hidden)
    case .maskedEvenly(let lowest, let highest): Double(lowest + highest) / 2
    }
  }
}

/// How pairs are cut from a corpus; the same for all schemes that are compared.
public struct PairOptions: Codable, Sendable, Equatable {
  /// Positions a window. Every run of so many tokens inside a document is equally likely.
  public var window = 16
  /// Tokens of a condition: the last so many of a prefix, or so many visible ones on either side of a hidden token.
  public var neighbours = 1
  /// V′: the most frequent tokens, which alone are targets; in conditions all others are one.
  public var vocabulary = 256
  /// Pairs drawn, for every scheme.
  public var pairs = 1_000_000
  /// Whether nodes know where in the window they are.
  public var positionAware = true
  /// Singular values to find.
  public var rank = 32
  public var seed: UInt64 = 1

  public init() {}

  /// - Throws: `ConfigurationError` naming every option that is out of range.
  public func validate(_ scheme: PairScheme) throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    func require(_ key: String, _ value: Int, _ range: ClosedRange<Int>) {
      if !range.contains(value) {
        problems.append(
          .init(key: key, sentence: "is \(value); it must lie in \(range.lowerBound)...\(range.upperBound)."))
      }
    }
    require("window", window, 2...1024)
    require("neighbours", neighbours, 1...64)
    require("vocabulary", vocabulary, 2...65_536)
    require("pairs", pairs, 1...1_000_000_000)
    require("rank", rank, 1...256)
    switch scheme {
    case .ahead(let offsets, _): require("offsets", offsets, 1...max(window - 1, 1))
    case .masked(let hidden): require("hidden", hidden, 1...max(window - 1, 1))
    case .maskedEvenly(let lowest, let highest):
      require("lowest", lowest, 1...max(highest, 1))
      require("highest", highest, 1...max(window - 1, 1))
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
  }
}
