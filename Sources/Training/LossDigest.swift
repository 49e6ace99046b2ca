import Core

extension StepOutcome {
  /// Sixteen hexadecimal digits over the bits of every micro-batch's loss sums, in order. It is logged with each step:
  /// sums can agree by chance where their parts do not, and a replay says by it at once which logged step deviates.
  public var lossDigest: String {
    hexadecimal(microBatchLosses.joined().reduce(0) { mix64($0 ^ $1.bitPattern) })
  }
}
