import Layers

extension ObjectivePass {
  /// The sum of losses that stand for the rows of a term's targets; recorded by sample where losses of samples are.
  ///
  /// - Parameters:
  ///   - losses: one for each row of the targets.
  ///   - positions: of all samples together.
  func sum(_ losses: [Double], _ targets: TermTargets, positions: Int, term: Int) -> Double {
    let total = losses.reduce(0, +)
    guard let all = self.losses else { return total }
    return all.note(targets.rows[...], of: positions, targets.weights[...], term: term) { noted in
      for (i, loss) in losses.enumerated() { noted?[i] = loss }
      return total
    }
  }
}
