import Kernels

/// How the gradient of one text varies with the mask: estimates without bias, from inner products in double precision.
///
/// With g(m) the gradient under mask m, ḡ its mean over masks and c(H) = E[⟨g(m) - ḡ, g(m') - ḡ⟩ | H(m, m') = H]:
/// products of pairs in a round give E⟨g(m) - b, g(m') - b⟩ by H; products of different rounds' means give ‖ḡ - b‖². b
/// is a rough ḡ of masks of its own: the result does not depend on it, but its error does, for b takes off what all
/// gradients have in common.
struct TextMaskVariance: Sendable, Equatable {
  /// c(H) by H / 2; NaN at distances that were not drawn.
  var covariances: [Double]
  /// c(0) and c(2n) over the masks of partitions alone: what the formulas take, so that the errors of both cancel.
  var partitionVariance: Double
  var partitionCovariance: Double
  /// ‖ḡ‖².
  var squaredMean: Double
  /// Variance of means of K independent masks, and of K sets of a partition, from masks of their own.
  var directIndependent: Double
  var directPartition: Double
  /// An estimate of ḡ.
  var mean: [Double]

  /// As a row of numbers, and back.
  var row: [Double] {
    covariances + [partitionVariance, partitionCovariance, squaredMean, directIndependent, directPartition] + mean
  }
  static func columns(levels: Int, dimensions: Int) -> Int { levels + 5 + dimensions }

  init(row: [Double], levels: Int) {
    covariances = Array(row[..<levels])
    (partitionVariance, partitionCovariance, squaredMean) = (row[levels], row[levels + 1], row[levels + 2])
    (directIndependent, directPartition) = (row[levels + 3], row[levels + 4])
    mean = Array(row[(levels + 5)...])
  }

  /// - Parameters:
  ///   - rounds: random orders from which pairs are taken, 2 at least.
  ///   - trials: means of K masks for the direct variances, 2 at least of each kind.
  ///   - gradient: of a mask, given as positions, with its number.
  /// - Complexity: rounds · starts + (2 · trials + 2) · K gradients.
  init(_ draws: MaskDraws, rounds: Int, trials: Int, gradient: (_ hidden: [Int], _ mask: Int) -> [Double]) {
    precondition(rounds >= 2 && trials >= 2, "\(rounds) rounds and \(trials) trials")
    var mask = 0
    func draw(_ order: [Int], _ start: Int) -> [Double] {
      defer { mask += 1 }
      return gradient(draws.window(order, at: start), mask)
    }
    let partition = draws.partition
    let levels = draws.size + 1
    let pilot = meanVector(
      (0..<2).flatMap { round in
        let order = draws.order(site: round)
        return partition.map { draw(order, draws.starts[$0]) }
      })
    func drawAside(_ order: [Int], _ start: Int) -> [Double] { zip(draw(order, start), pilot).map { $0 - $1 } }
    var (sums, pairs) = ([Double](repeating: 0, count: levels), [Double](repeating: 0, count: levels))
    var (own, crossed) = (0.0, 0.0)
    var means = VectorMoments()
    for round in 0..<rounds {
      let order = draws.order(site: 2 + round)
      let gradients = draws.starts.map { drawAside(order, $0) }
      let (count, width) = (gradients.count, gradients[0].count)
      let flat = gradients.flatMap { $0 }
      let products = dgemm(flat, flat, rows: count, inner: width, columns: count, transposeB: true)
      for i in 0..<count {
        for j in 0...i {
          sums[draws.level(i, j)] += products[i * count + j]
          pairs[draws.level(i, j)] += 1
        }
      }
      for i in partition {
        own += products[i * count + i]
        for j in partition where j < i { crossed += products[i * count + j] }
      }
      means.add(meanVector(partition.map { gradients[$0] }))
    }
    let k = Double(draws.sets)
    let (square, aside) = (means.squaredMean, means.mean)
    squaredMean = square + zip(aside, pilot).reduce(0) { $0 + (2 * $1.0 + $1.1) * $1.1 }
    covariances = zip(sums, pairs).map { $1 > 0 ? $0 / $1 - square : .nan }
    partitionVariance = own / (Double(rounds) * k) - square
    partitionCovariance = crossed / (Double(rounds) * k * (k - 1) / 2) - square
    mean = zip(aside, pilot).map { $0 + $1 }
    // Masks of their own, so that the direct variances can contradict the formulas.
    var (independent, disjoint) = (VectorMoments(), VectorMoments())
    for trial in 0..<trials {
      let site = 2 + rounds + trial * (draws.sets + 1)
      let order = draws.order(site: site)
      disjoint.add(meanVector(partition.map { drawAside(order, draws.starts[$0]) }))
      independent.add(meanVector((1...draws.sets).map { drawAside(draws.order(site: site + $0), 0) }))
    }
    (directIndependent, directPartition) = (independent.variance, disjoint.variance)
  }
}

/// The mean of vectors of one length.
private func meanVector(_ vectors: [[Double]]) -> [Double] {
  var sum = vectors[0]
  for vector in vectors.dropFirst() { for i in sum.indices { sum[i] += vector[i] } }
  let share = 1 / Double(vectors.count)
  for i in sum.indices { sum[i] *= share }
  return sum
}

/// Sum and sum of squared lengths of independent vectors.
struct VectorMoments {
  private var sum: [Double] = []
  private var squares = 0.0
  private var count = 0.0

  mutating func add(_ vector: [Double]) {
    if sum.isEmpty { sum = [Double](repeating: 0, count: vector.count) }
    for i in sum.indices { sum[i] += vector[i] }
    squares += squaredLength(vector)
    count += 1
  }

  var mean: [Double] { sum.map { $0 / count } }

  /// ‖E v‖² without bias: the mean product of two different vectors.
  var squaredMean: Double { (squaredLength(sum) - squares) / (count * (count - 1)) }

  /// E ‖v - E v‖² without bias.
  var variance: Double { (squares - squaredLength(sum) / count) / (count - 1) }
}

func squaredLength(_ vector: [Double]) -> Double { vector.reduce(0) { $0 + $1 * $1 } }
