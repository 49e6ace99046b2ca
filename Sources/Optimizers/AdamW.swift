import Kernels
import Tensors

/// The settings of AdamW.
public struct AdamWOptions: Codable, Sendable, Equatable {
  public var learningRate = 1e-3
  public var beta1 = 0.9
  public var beta2 = 0.95
  public var eps = 1e-8
  /// Decoupled decay, on matrices only.
  public var weightDecay = 0.1
  /// The global norm gradients are clipped to; 0 switches clipping off.
  public var maxGradNorm = 1.0

  public init() {}
}

/// Where the optimiser reads gradients from.
public enum SummedGradients {
  /// This rank's integers, with 2^-e of each tensor.
  case exact(UnsafePointer<Int64>, inverseScales: [Double])
  /// The exact sum over ranks, rounded to floats: the same values as `exact` would give.
  case rounded(UnsafePointer<Float>)
  /// The floats of the control.
  case float(UnsafePointer<Float>)
}

/// A piece of one tensor that one thread works on; ends on block boundaries of the fixed-order reduction.
public struct UpdateSlice: Sendable {
  public let entry: Int
  public let range: Range<Int>
  /// Index of its first block among the blocks of all tensors.
  public let firstBlock: Int

  /// The slices of a layout: every tensor in pieces of at most `blocks` blocks.
  public static func all(_ layout: ParameterLayout, blocks: Int = 16) -> [UpdateSlice] {
    var (slices, block) = ([UpdateSlice](), 0)
    for entry in layout.entries {
      for start in stride(from: 0, to: entry.count, by: blocks * reductionBlock) {
        let end = min(start + blocks * reductionBlock, entry.count)
        slices.append(
          UpdateSlice(entry: entry.index, range: entry.offset + start..<entry.offset + end, firstBlock: block))
        block += (end - start + reductionBlock - 1) / reductionBlock
      }
    }
    return slices
  }
}

/// Sums of squares of all blocks and the largest gradient of each slice: filled by any number of threads, then added in
/// order.
///
/// Invariant: a slice's cells are written by the one thread that has the slice.
public final class GradientStatistics: @unchecked Sendable {
  // Sendable: slices own disjoint cells, and reading begins when all threads have finished.
  public let slices: [UpdateSlice]
  private let squares: UnsafeMutableBufferPointer<Double>
  private let largest: UnsafeMutableBufferPointer<Float>
  private let layout: ParameterLayout

  public init(_ layout: ParameterLayout) {
    self.layout = layout
    slices = UpdateSlice.all(layout)
    let blocks = layout.entries.reduce(0) { $0 + ($1.count + reductionBlock - 1) / reductionBlock }
    squares = .allocate(capacity: max(blocks, 1))
    squares.initialize(repeating: 0)
    largest = .allocate(capacity: max(slices.count, 1))
    largest.initialize(repeating: 0)
  }

  deinit {
    squares.deallocate()
    largest.deallocate()
  }

  /// Fills the cells of one slice.
  public func measure(_ index: Int, _ gradients: SummedGradients) {
    let slice = slices[index]
    let isTrained = layout.entries[slice.entry].spec.role == .trained
    var (block, peak) = (slice.firstBlock, Float(0))
    for start in stride(from: slice.range.lowerBound, to: slice.range.upperBound, by: reductionBlock) {
      let count = min(reductionBlock, slice.range.upperBound - start)
      let part =
        switch gradients {
        case .exact(let sum, let inverse): squaresOfExactSum(sum + start, count: count, inverse: inverse[slice.entry])
        case .rounded(let sum): squaresOfFloats(sum + start, count: count)
        case .float(let sum): squaresOfFloats(sum + start, count: count)
        }
      // Statistics have a largest value, which decides their exponent, and no part in the norm.
      squares[block] = isTrained ? part.squares : 0
      peak = max(peak, part.largest)
      block += 1
    }
    largest[index] = peak
  }

  /// The global norm: blocks added in index order.
  public var norm: Double { squares.reduce(0, +).squareRoot() }

  /// The largest gradient of each tensor, which decides the next step's exponents.
  public var largestByEntry: [Float] {
    var result = [Float](repeating: 0, count: layout.entries.count)
    for (i, slice) in slices.enumerated() { result[slice.entry] = max(result[slice.entry], largest[i]) }
    return result
  }
}

/// AdamW over flat ranges, reading the gradient sum.
public final class AdamW: Sendable {
  public let options: AdamWOptions
  /// m.
  public let firstMoment: ParameterStore
  /// v.
  public let secondMoment: ParameterStore

  public init(_ options: AdamWOptions, _ layout: ParameterLayout) {
    self.options = options
    firstMoment = ParameterStore(layout)
    secondMoment = ParameterStore(layout)
  }

  /// The numbers of step `step` (from 0). - Parameter norm: the gradient's global norm, for clipping.
  public func factors(step: Int, learningRate: Double, norm: Double) -> AdamWFactors {
    let clip = options.maxGradNorm > 0 && norm > options.maxGradNorm ? options.maxGradNorm / norm : 1
    return AdamWFactors(
      learningRate: Float(learningRate), beta1: options.beta1, beta2: options.beta2, epsilon: Float(options.eps),
      correction1: Float(1 - power(options.beta1, step + 1)), correction2: Float(1 - power(options.beta2, step + 1)),
      gradientFactor: Float(clip))
  }

  /// Updates one slice: a trained parameter by its gradient, a statistic to its sum; a state stays. Slices are
  /// disjoint, so threads take them in any order.
  ///
  /// - Returns: hashes of the slice's moments as they were before, where `hashing`.
  @discardableResult
  public func update(
    _ slice: UpdateSlice, _ parameters: ParameterStore, _ gradients: SummedGradients, _ factors: AdamWFactors,
    hashing: Bool = false
  ) -> MomentHashes {
    let decay = parameters.layout.entries[slice.entry].spec.decay ? Float(options.weightDecay) : 0
    let (start, count) = (slice.range.lowerBound, slice.range.count)
    let p = parameters.memory + start
    guard parameters.layout.entries[slice.entry].spec.role == .trained else {
      if parameters.layout.entries[slice.entry].spec.role == .statistic { take(slice, gradients, into: p) }
      return MomentHashes(first: 0, second: 0)
    }
    let tensors = AdamWSlice(
      parameters: p, firstMoment: firstMoment.memory + start, secondMoment: secondMoment.memory + start, count: count,
      decay: decay)
    switch gradients {
    case .exact(let sum, let inverse):
      return adamWUpdate(tensors, exactSum: sum + start, inverse: inverse[slice.entry], hashing: hashing, factors)
    case .rounded(let sum), .float(let sum):
      return adamWUpdate(tensors, gradient: sum + start, hashing: hashing, factors)
    }
  }
}

extension AdamW {
  /// The sums of a slice as floats.
  private func take(_ slice: UpdateSlice, _ gradients: SummedGradients, into p: UnsafeMutablePointer<Float>) {
    let (start, count) = (slice.range.lowerBound, slice.range.count)
    switch gradients {
    case .exact(let sum, let inverse):
      roundExactSum(of: sum, ranks: 1, count: 0, range: slice.range, inverse: inverse[slice.entry], into: p)
    case .rounded(let sum), .float(let sum): p.update(from: sum + start, count: count)
    }
  }
}

/// xⁿ by repeated squaring: the same bits everywhere, which libm does not promise.
func power(_ x: Double, _ n: Int) -> Double {
  var (result, base, exponent) = (1.0, x, n)
  while exponent > 0 {
    if exponent & 1 == 1 { result *= base }
    base *= base
    exponent >>= 1
  }
  return result
}
