/// The distribution of context–target pairs: which tokens of a text a prediction is given, and which one it predicts.
///
/// It is a statement about the objective's masks and targets alone, whatever the network: co-occurrence matrices are
/// made of it.
public enum ContextTargetPairs: Sendable, Equatable {
  /// A prefix, and a token at an offset δ ∈ 1 … `offsets` behind it, δ drawn by `distribution`.
  case ahead(offsets: Int, distribution: OffsetDistribution)
  /// What is visible, and one of the hidden tokens, of which there is a share of all, drawn evenly from this range for
  /// every text.
  case masked(share: ClosedRange<Double>)
}
