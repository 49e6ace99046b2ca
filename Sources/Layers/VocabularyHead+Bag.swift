import Core
import Kernels
import Tensors

/// Target words of some rows together, predicted from the largest logit that any of the rows gives each id.
public struct Bag: Sendable, Equatable {
  /// Adjacent rows of hidden states; not empty.
  public var rows: Range<Int>
  /// The indices of its words in `BagTargets`.
  public var words: Range<Int>

  public init(rows: Range<Int>, words: Range<Int>) { (self.rows, self.words) = (rows, words) }
}

/// Bags and their target words, with one row, id and weight per word.
public struct BagTargets {
  public var bags: [Bag]
  /// For each word a row of its sample, where its loss is noted.
  public var rows: [Int]
  public var ids: [Int32]
  public var weights: [Float]

  public init(bags: [Bag], rows: [Int], ids: [Int32], weights: [Float]) {
    (self.bags, self.rows, self.ids, self.weights) = (bags, rows, ids, weights)
  }
}

extension VocabularyHead {
  /// Memory of `bagLoss` besides `Saved`.
  public struct BagSaved {
    let largest: TensorView, places: TensorView

    public init(_ head: VocabularyHead, _ arena: Arena) {
      largest = arena.matrix(1, head.vocabulary)
      places = arena.matrix(1, head.vocabulary)
    }
  }

  /// The weighted loss sum of bags: Σ over bags and words of w · (log Σⱼ exp uⱼ - u at the word), u = max over the
  /// bag's rows of the logits. Logits exist for `sliceRows` rows at a time. The gradient goes to the rows that have the
  /// maxima; of equal logits the lowest row has it.
  ///
  /// - Parameter gradient: [n, C], to which scale · d(loss)/d(hidden) is added; nil for the loss alone.
  /// - Complexity: 2·m·V·C flops for m rows, and 4·V·C per bag in backward.
  public func bagLoss(
    _ hidden: TensorView, _ targets: BagTargets, scale: Float, _ pass: Pass, _ s: Saved, _ b: BagSaved,
    gradient: TensorView?
  ) -> Double {
    let all = targets.bags.flatMap { Array($0.rows) }
    let x = features(hidden, all, pass, s)
    let dx = s.gradient.first(all.count)
    let weightGroup = weight..<weight + 1
    let w = pass.parameters.view(weight)
    let dw = gradient.map { _ in pass.gradient(weight, in: weightGroup) }
    if let dw {
      dw.fill(0)
      dx.fill(0)
      s.biasSum.fill(0)
    }
    var (total, start) = (0.0, 0)
    for bag in targets.bags {
      let place = start..<start + bag.rows.count
      start = place.upperBound
      maxima(of: x.rows(place), pass, s, b)
      total += pass.loss(targets.rows[bag.words], of: hidden.rows, targets.weights[bag.words]) {
        bagCrossEntropy(
          logits: b.largest, targets: targets.ids[bag.words], weights: targets.weights[bag.words], scale: scale,
          gradient: dw != nil, losses: $0)
      }
      guard let dw else { continue }
      scatterMaxima(b.largest, places: b.places, x: x.rows(place), w: w, into: dx.rows(place), dw)
      if bias != nil { addInPlace(s.biasSum, b.largest) }
    }
    guard let gradient else { return total }
    pass.gradients.add(weightGroup)
    if let bias {
      pass.gradient(bias, in: biasGroup).copy(from: s.biasSum)
      pass.gradients.add(biasGroup)
    }
    addRows(backwardTransform(dx, pass, s), at: all, into: gradient)
    return total
  }

  private func maxima(of features: TensorView, _ pass: Pass, _ s: Saved, _ b: BagSaved) {
    b.largest.fill(-.infinity)
    b.places.fill(0)
    for slice in slices(features.rows) {
      let z = s.logits.first(slice.count)
      project(features.rows(slice), pass, into: z)
      raiseMaxima(z, firstRow: slice.lowerBound, largest: b.largest, places: b.places)
    }
  }
}
