import Core

/// A world small enough to enumerate: texts of `length` tokens, each by one of several Markov chains, its class.
///
/// The first token is uniform, so that it says nothing of the class.
public struct SmallWorld: Sendable, Codable, Equatable {
  public let vocabulary: Int
  public let length: Int
  /// [class][from · vocabulary + to]: each row a distribution. All classes are equally likely.
  public let transitions: [[Double]]

  public init(vocabulary: Int, length: Int, transitions: [[Double]]) {
    precondition(
      transitions.allSatisfy { $0.count == vocabulary * vocabulary },
      "a transition matrix has \(vocabulary) × \(vocabulary) entries")
    precondition(
      length >= 2 && length <= 8 && vocabulary >= 1 && vocabulary <= 16,
      "a small world has at most 8 positions and 16 tokens")
    (self.vocabulary, self.length, self.transitions) = (vocabulary, length, transitions)
  }

  /// Two classes over four tokens, texts of five. A class has its half of the alphabet: from every token the next is
  /// drawn from a distribution over that half with probability 0.85 and from the whole alphabet evenly with 0.15. The
  /// distribution over a half, one for each token and class, is (u, 1 - u) with u uniform.
  public static func mixture(seed: UInt64) -> SmallWorld {
    let random = CounterGenerator(seed: seed, purpose: .evaluation, site: 0x574F_524C)
    let transitions = (0..<2).map { label in
      (0..<4).flatMap { from -> [Double] in
        let u = random.uniformDouble(4 * label + from)
        return (0..<4).map { to in 0.15 / 4 + (to / 2 == label ? 0.85 * (to % 2 == 0 ? u : 1 - u) : 0) }
      }
    }
    return SmallWorld(vocabulary: 4, length: 5, transitions: transitions)
  }

  public var classes: Int { transitions.count }

  /// Every text with its probability under each class, classes included: the sum over everything is 1.
  public func texts() -> [(tokens: [Int], probabilities: [Double])] {
    let count = (0..<length).reduce(1) { product, _ in product * vocabulary }
    return (0..<count).map { code in
      var (rest, tokens) = (code, [Int]())
      for _ in 0..<length {
        tokens.append(rest % vocabulary)
        rest /= vocabulary
      }
      let probabilities = transitions.map { chain in
        zip(tokens, tokens.dropFirst()).reduce(1 / Double(vocabulary * classes)) {
          $0 * chain[$1.0 * vocabulary + $1.1]
        }
      }
      return (tokens, probabilities)
    }
  }
}

/// What is shown of a small world's text and what is predicted.
public enum SmallWorldScheme: Sendable, Equatable, CustomStringConvertible {
  /// A prefix, every length equally often, and a token 1 … `offsets` further on, all of those inside the text equally
  /// often.
  case ahead(offsets: Int)
  /// All but `hidden` positions with the pattern of holes, and one of the hidden tokens; all patterns equally often.
  case masked(hidden: Int)

  public var description: String {
    switch self {
    case .ahead(1): "AR next token"
    case .ahead(let offsets): "AR diverse m=\(offsets)"
    case .masked(let hidden): "MLM, \(hidden) of 5 hidden"
    }
  }

  public static let table: [SmallWorldScheme] = [
    .ahead(offsets: 1), .ahead(offsets: 2), .ahead(offsets: 3), .ahead(offsets: 4), .masked(hidden: 1),
    .masked(hidden: 2), .masked(hidden: 3),
  ]

  /// What is visible, what is predicted and how often, for texts of `length`.
  func predictions(_ length: Int) -> [(visible: [Int], predicted: Int, share: Double)] {
    func evenly(_ visible: [Int], _ predicted: [Int], of patterns: Int) -> [(
      visible: [Int], predicted: Int, share: Double
    )] {
      predicted.map { (visible, $0, 1 / Double(patterns * predicted.count)) }
    }
    switch self {
    case .ahead(let offsets):
      return (0..<length - 1).flatMap { last in
        evenly(Array(0...last), (1...offsets).map { last + $0 }.filter { $0 < length }, of: length - 1)
      }
    case .masked(let hidden):
      let patterns = (0..<1 << length).filter { $0.nonzeroBitCount == hidden }
      return patterns.flatMap { pattern in
        let holes = (0..<length).filter { pattern >> $0 & 1 == 1 }
        return evenly((0..<length).filter { !holes.contains($0) }, holes, of: patterns.count)
      }
    }
  }
}

/// What the matrix of a scheme in a small world looks like, exactly.
public struct SmallWorldFigures: Sendable, Codable, Equatable {
  public var conditions: Int
  public var targets: Int
  public var components: Int
  /// All of them, largest first.
  public var singularValues: [Double]
  public var squaredSum: Double
  /// Error of the class by a linear rule on the six leading features of the condition, fitted by least squares,
  /// weighted by P(condition).
  public var probeError: Double
  /// Error of the best rule of any kind on the condition itself.
  public var bayesError: Double

  /// Σ_{i>k} σᵢ².
  public func tail(_ k: Int) -> Double { singularValues.dropFirst(k).reduce(0) { $0 + $1 * $1 } }

  /// - Parameter positionAware: whether a target is a token at a position, or a token alone.
  /// - Precondition: two classes.
  public init(_ world: SmallWorld, _ scheme: SmallWorldScheme, positionAware: Bool = true, features: Int = 6) {
    precondition(world.classes == 2, "a probe between \(world.classes) classes")
    var (joint, labels) = ([NodePair: Double](), [UInt64: [Double]]())
    let (predictions, texts, v) = (scheme.predictions(world.length), world.texts(), UInt64(world.vocabulary))
    for (visible, predicted, share) in predictions {
      let pattern = visible.reduce(UInt64(0)) { $0 | 1 << UInt64($1) }
      for text in texts {
        let condition = visible.reduce(pattern) { $0 << 4 | UInt64(text.tokens[$1]) }
        let target = UInt64(text.tokens[predicted]) + (positionAware ? v * UInt64(predicted) : 0)
        joint[NodePair(condition, target), default: 0] += (text.probabilities[0] + text.probabilities[1]) * share
        for label in 0..<2 { labels[condition, default: [0, 0]][label] += text.probabilities[label] * share }
      }
    }
    let matrix = CooccurrenceMatrix(joint)
    let (values, vectors) = matrix.singularValues()
    (conditions, targets, components) = (matrix.conditions.count, matrix.targets.count, matrix.components)
    (singularValues, squaredSum) = (values, matrix.squaredSum)
    let byRow = matrix.conditions.map { labels[$0] ?? [0, 0] }
    bayesError = byRow.reduce(0) { $0 + min($1[0], $1[1]) }
    probeError = Self.probe(matrix, values, vectors, byRow, features: features)
  }

  /// Left singular vectors are features fᵢ(c) = U[c, i] / √P(c), orthonormal under P: least squares needs no solving.
  private static func probe(
    _ matrix: CooccurrenceMatrix, _ values: [Double], _ vectors: [Double], _ labels: [[Double]], features: Int
  ) -> Double {
    let n = matrix.targets.count
    var scores = [Double](repeating: 0, count: matrix.conditions.count)
    for i in 0..<min(features, n) where values[i] > 1e-7 {
      let u = matrix.times(Array(vectors[i * n..<(i + 1) * n]), width: 1).map { $0 / values[i] }
      let slope = u.indices.reduce(0) {
        $0 + u[$1] / matrix.conditionWeights[$1].squareRoot() * (labels[$1][0] - labels[$1][1])
      }
      for row in scores.indices { scores[row] += slope * u[row] / matrix.conditionWeights[row].squareRoot() }
    }
    // Features of one component are zero in the others, but for rounding: there the rule must guess.
    return scores.indices.reduce(0) { sum, row in
      let (first, second) = (labels[row][0], labels[row][1])
      return sum + (abs(scores[row]) < 1e-9 ? (first + second) / 2 : (scores[row] > 0 ? second : first))
    }
  }
}
