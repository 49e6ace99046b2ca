import Core

/// How long spans are.
public struct SpanLengths: Sendable, Equatable {
  /// Rising to 1: the probability of at most 1, 2, … units.
  private let cumulative: [Double]

  /// P(ℓ) ∝ p · (1 − p)^(ℓ − 1) for ℓ = 1 … longest. Reference: Joshi et al., "SpanBERT", 2019, arXiv 1907.10529 (p =
  /// 0.2, longest 10).
  public static func geometric(_ p: Double, longest: Int) -> SpanLengths {
    let weights = (0..<longest).reduce(into: [Double]()) { list, _ in list.append(list.last.map { $0 * (1 - p) } ?? p) }
    let total = weights.reduce(0, +)
    var sum = 0.0
    return SpanLengths(
      cumulative: weights.map {
        sum += $0 / total; return sum
      })
  }

  /// Always `length`.
  public static func fixed(_ length: Int) -> SpanLengths {
    SpanLengths(cumulative: [Double](repeating: 0, count: length - 1) + [1])
  }

  private init(cumulative: [Double]) { self.cumulative = cumulative }

  public var longest: Int { cumulative.count }

  /// The length at `u` in [0, 1). - Complexity: O(longest).
  public func length(_ u: Double) -> Int { (cumulative.firstIndex { u < $0 } ?? cumulative.count - 1) + 1 }
}

/// What is hidden together: single tokens, whole words, or spans of either.
///
/// *Concretely:* single tokens by `randomSubset`. Otherwise units (tokens, or words) are hidden until `count` positions
/// are: a unit that is not hidden is drawn evenly, and from it on as many units as the span's length says, as far as
/// they follow each other without a gap inside a document and are not hidden yet. A unit that would exceed `count` is
/// left out for good and ends its span, as in BERT's whole-word masking; where not even one unit fits, the first one
/// drawn is hidden whole, so that every sample with an eligible position predicts something. Without words exactly
/// `count` positions are hidden.
public struct MaskShape: Sendable {
  public let wholeWordMask: Bool
  /// In units; nil for single ones.
  public let spans: SpanLengths?

  public init(wholeWordMask: Bool = false, spans: SpanLengths? = nil) {
    (self.wholeWordMask, self.spans) = (wholeWordMask, spans)
  }

  /// The positions hidden, in rising order.
  ///
  /// - Parameter random: the sample's generator; site 0 for single tokens, else site 1.
  /// - Complexity: O(length), and a span's length a draw.
  public func choose(
    _ count: Int, of eligible: [Int], _ clean: SampleBatch, _ sample: Int, _ tokens: MaskableTokens,
    _ random: CounterGenerator
  ) -> [Int] {
    if !wholeWordMask, spans == nil { return randomSubset(eligible, count: count, random) }
    let units = wholeWordMask ? tokens.words(clean, sample, eligible) : eligible.map { $0..<$0 + 1 }
    let documents = units.map { clean.documentIDs[sample * clean.stride + $0.lowerBound] }
    return grow(units, documents, count, random.at(position: random.position, site: 1)).flatMap { Array(units[$0]) }
  }

  /// Units hidden, in rising order. Draw k takes elements 2k (where) and 2k + 1 (how long) of 64 bits.
  private func grow(_ units: [Range<Int>], _ documents: [Int32], _ count: Int, _ random: CounterGenerator) -> [Int] {
    var open = DrawnSet(units.count)
    var (hidden, left, first, draw) = ([Int](), count, Int?.none, 0)
    while left > 0, let start = open.element(random.below(max(open.count, 1), 2 * draw)) {
      first = first ?? start
      let length = spans?.length(random.uniformDouble(2 * draw + 1)) ?? 1
      for unit in start..<min(start + length, units.count) {
        let isNext =
          unit == start || units[unit].lowerBound == units[unit - 1].upperBound && documents[unit] == documents[start]
        guard isNext, open.remove(unit) else { break }
        guard units[unit].count <= left else { break }
        hidden.append(unit)
        left -= units[unit].count
      }
      draw += 1
    }
    if hidden.isEmpty, let first { return [first] }
    return hidden.sorted()
  }
}

/// 0 ..< n, from which elements are drawn by place and removed by name, both in constant time.
private struct DrawnSet {
  private var elements: [Int]
  private var places: [Int]

  init(_ n: Int) { (elements, places) = (Array(0..<n), Array(0..<n)) }

  var count: Int { elements.count }

  func element(_ place: Int) -> Int? { elements.indices.contains(place) ? elements[place] : nil }

  /// Whether it was still there.
  mutating func remove(_ element: Int) -> Bool {
    let place = places[element]
    guard place >= 0 else { return false }
    let last = elements.removeLast()
    if last != element { (elements[place], places[last]) = (last, place) }
    places[element] = -1
    return true
  }
}
