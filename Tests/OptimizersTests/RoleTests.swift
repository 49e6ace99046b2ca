import Core
import Kernels
import Optimizers
import Tensors
import Testing

/// What the optimiser does with parameters that are not trained.
struct RoleTests {
  @Test(arguments: [false, true]) func statisticsBecomeTheirSumAndStatesStay(rounded: Bool) {
    var layout = ParameterLayout()
    layout.append(ParameterSpec("w", [2, 2], decay: true, .ones))
    layout.append(ParameterSpec("sum", [2, 3], decay: true, .ones, role: .statistic))
    layout.append(ParameterSpec("table", [4], decay: true, .ones, uses: 0, role: .state))
    let (parameters, optimizer) = (ParameterStore(layout), AdamW(AdamWOptions(), layout))
    parameters.initialize(seed: 1)
    let values: [Float] = [3, -1, 0.5, 2, 0, 8]
    var (integers, floats) = ([Int64](repeating: 0, count: layout.count), [Float](repeating: 0, count: layout.count))
    for (i, value) in values.enumerated() {
      (integers[layout.entries[1].offset + i], floats[layout.entries[1].offset + i]) = (Int64(value * 16), value)
    }
    for i in 0..<4 { (integers[i], floats[i]) = (16, 1) }
    integers.withUnsafeMutableBufferPointer { integers in
      floats.withUnsafeMutableBufferPointer { floats in
        guard let i = integers.baseAddress, let f = floats.baseAddress else { return }
        let gradients: SummedGradients =
          rounded ? .rounded(f) : .exact(i, inverseScales: [1.0 / 16, 1.0 / 16, 1.0 / 16])
        let statistics = GradientStatistics(layout)
        for index in statistics.slices.indices { statistics.measure(index, gradients) }
        // Statistics take no part in the norm, and decide their own exponent.
        #expect(statistics.norm == 2)
        #expect(statistics.largestByEntry == [1, 8, 0])
        let factors = optimizer.factors(step: 0, learningRate: 0.1, norm: statistics.norm)
        for slice in statistics.slices { optimizer.update(slice, parameters, gradients, factors) }
      }
    }
    #expect(parameters.view(0).array != [1, 1, 1, 1])
    #expect(parameters.view(1).array == values)
    // Weight decay would have moved it.
    #expect(parameters.view(2).array == [1, 1, 1, 1])
    #expect(optimizer.firstMoment.view(1).array == [Float](repeating: 0, count: 6))
  }
}
