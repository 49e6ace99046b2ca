import Core
import Tensors

/// An id drawn from softmax(z / temperature): the argmax of zⱼ / temperature + gⱼ with Gumbel noise gⱼ = -ln(-ln uⱼ).
///
/// uⱼ = (word j of `random` + ½) / 2³², so that the draw is a function of the generator's key, position and site. Of
/// equal sums the lowest id is drawn. NaNs are ignored; if all logits are NaN, the first id that is not excluded is
/// drawn.
///
/// - Parameters:
///   - logits: one for each id; not changed.
///   - isExcluded: whether an id is never drawn, for each id. Logits beyond its end have no token and are never drawn.
///   - excluded: one more id that is never drawn. At least one id must be left.
/// - Complexity: one random word per id; logarithms only for ids that could win. -ln(-ln u) is at most -ln(1 - u),
///   which the leading zeros of 1 - u bound.
/// Reference: Gumbel, "Statistical theory of extreme values and some practical applications", 1954; Maddison et al.,
/// "A* sampling", 2014.
public func gumbelArgmax(
  _ logits: TensorView, temperature: Float, isExcluded: [Bool], excluding excluded: Int32? = nil,
  _ random: CounterGenerator
) -> Int32 {
  precondition(isExcluded.count <= logits.count, "one exclusion per id, and ids without one are excluded")
  let inverse = 1 / Double(temperature)
  var (best, winner) = (-Double.infinity, Int32?.none)
  for start in stride(from: 0, to: isExcluded.count, by: 4) {
    let words = random.block(UInt32(truncatingIfNeeded: start / 4))
    for j in start..<min(start + 4, isExcluded.count) where !isExcluded[j] && excluded != Int32(j) {
      if winner == nil { winner = Int32(j) }
      let (word, score) = (words[j - start], Double(logits[j]) * inverse)
      guard score + 0.693_147_181 * Double((~word).leadingZeroBitCount + 1) >= best else { continue }
      let sum = score + gumbel(word)
      if sum > best { (best, winner) = (sum, Int32(j)) }
    }
  }
  guard let winner else { preconditionFailure("all of \(logits.count) ids are excluded") }
  return winner
}

private func gumbel(_ word: UInt32) -> Double { -naturalLogarithm(-naturalLogarithm((Double(word) + 0.5) * 0x1p-32)) }
