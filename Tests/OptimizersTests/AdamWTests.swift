import Kernels
import Optimizers
import Tensors
import Testing

@Suite struct AdamWTests {
  private func layout(_ counts: [[Int]], decay: [Bool]) -> ParameterLayout {
    var layout = ParameterLayout()
    for (i, shape) in counts.enumerated() { layout.append(ParameterSpec("p\(i)", shape, decay: decay[i], .ones)) }
    return layout
  }

  /// Slices cover every element once, end on blocks of the reduction, and number blocks without gaps.
  @Test func slicesCoverTheLayout() {
    let layout = layout([[1], [5000], [300, 500], [16]], decay: [false, false, true, false])
    for blocks in [1, 2, 16] {
      let slices = UpdateSlice.all(layout, blocks: blocks)
      var block = 0
      for entry in layout.entries {
        let own = slices.filter { $0.entry == entry.index }
        #expect(own.flatMap { Array($0.range) } == Array(entry.range))
        for slice in own {
          #expect(slice.firstBlock == block && (slice.range.lowerBound - entry.offset) % (blocks * reductionBlock) == 0)
          block += (slice.range.count + reductionBlock - 1) / reductionBlock
        }
      }
    }
  }

  /// The norm is the same bits whichever order slices are measured in, exact and float alike, and right to 1e-12.
  @Test func normDoesNotDependOnTheOrder() {
    let layout = layout([[3], [300, 500], [70_001]], decay: [false, true, false])
    let sums = UnsafeMutablePointer<Int64>.allocate(capacity: layout.count)
    defer { sums.deallocate() }
    sums.initialize(repeating: 0, count: layout.count)
    let inverse = [0x1p-20, 0x1p-30, 0x1p-8]
    var (expected, largest) = (0.0, [Float](repeating: 0, count: 3))
    for entry in layout.entries {
      for i in entry.range {
        sums[i] = Int64(i &* 2_654_435_761 % 2_000_003) - 1_000_000
        let g = Float(Double(sums[i]) * inverse[entry.index])
        expected += Double(g) * Double(g)
        largest[entry.index] = max(largest[entry.index], abs(g))
      }
    }
    let (rising, falling) = (GradientStatistics(layout), GradientStatistics(layout))
    let gradients = SummedGradients.exact(sums, inverseScales: inverse)
    for i in rising.slices.indices { rising.measure(i, gradients) }
    for i in falling.slices.indices.reversed() { falling.measure(i, gradients) }
    #expect(rising.norm == falling.norm && rising.largestByEntry == largest && falling.largestByEntry == largest)
    #expect(abs(rising.norm / expected.squareRoot() - 1) < 1e-12)
  }

  @Test func clippingScalesToTheNorm() {
    var options = AdamWOptions()
    (options.maxGradNorm, options.beta1, options.beta2) = (2, 0.9, 0.5)
    let layout = layout([[1]], decay: [false])
    func factor(_ norm: Double) -> Float {
      AdamW(options, layout).factors(step: 0, learningRate: 1, norm: norm).gradientFactor
    }
    #expect(factor(1) == 1 && factor(2) == 1 && factor(8) == 0.25)
    options.maxGradNorm = 0
    #expect(factor(1e9) == 1)
    let third = AdamW(options, layout).factors(step: 2, learningRate: 0.25, norm: 0)
    #expect(third.correction1 == Float(1 - 0.9 * 0.9 * 0.9) && third.correction2 == 0.875 && third.learningRate == 0.25)
  }

  /// Decay shrinks what declares it and nothing else; the sum is left zero.
  @Test(arguments: [true, false])
  func decayOnMatricesOnly(exact: Bool) {
    let layout = layout([[5, 3], [17]], decay: [true, false])
    var options = AdamWOptions()
    options.weightDecay = 0.5
    let (optimizer, parameters) = (AdamW(options, layout), ParameterStore(layout))
    parameters.initialize(seed: 1)
    let sums = UnsafeMutablePointer<Int64>.allocate(capacity: layout.count)
    defer { sums.deallocate() }
    sums.initialize(repeating: 0, count: layout.count)
    // Without a gradient decay is all that moves.
    let gradients =
      exact
      ? SummedGradients.exact(sums, inverseScales: [1, 1])
      : .float(UnsafeMutableRawPointer(sums).assumingMemoryBound(to: Float.self))
    for slice in UpdateSlice.all(layout) {
      optimizer.update(slice, parameters, gradients, optimizer.factors(step: 0, learningRate: 0.25, norm: 0))
    }
    #expect(parameters.view(0).array == [Float](repeating: 0.875, count: 15))
    #expect(parameters.view(1).array == [Float](repeating: 1, count: 17))
    // Padding is never touched.
    #expect(parameters.all.array[15] == 0 && parameters.all.array[16 + 17] == 0)
  }
}
