/// q(δ): the distribution of the offset of a target.
public enum OffsetDistribution: String, Codable, Sendable, CaseIterable {
  /// All offsets alike.
  case uniform
  /// q(δ) ∝ 1/δ.
  case inverse

  /// q(δ) / q(1): the weight of offset 1 is one, so that uniform weights count targets.
  public func weight(_ offset: Int) -> Double {
    switch self {
    case .uniform: 1
    case .inverse: 1 / Double(offset)
    }
  }

  /// The offset in 1…m at which the cumulative distribution passes `uniform` ∈ [0, 1).
  public func draw(_ uniform: Double, of largest: Int) -> Int {
    let total = (1...largest).reduce(0) { $0 + weight($1) }
    var rest = uniform * total
    for offset in 1..<max(largest, 1) {
      rest -= weight(offset)
      if rest < 0 { return offset }
    }
    return largest
  }
}
