import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct LinearNormTests {
  @Test(arguments: [true, false], [true, false])
  func linear(bias: Bool, inputMajor: Bool) {
    for (n, inputs, outputs) in [(1, 1, 1), (7, 13, 11), (3, 17, 67)] {
      var layout = ParameterLayout()
      let linear = Linear(
        "l", inputs: inputs, outputs: outputs, bias: bias, inputMajor: inputMajor, deviation: 0.02, into: &layout)
      let group = layout.group(from: 0)
      let check = LayerCase(
        "Linear \(n)×\(inputs)→\(outputs)", layout, input: (n, inputs), output: (n, outputs),
        longestSum: max(n, inputs, outputs),
        reference: { $0.linear("l", $1, inputMajor: inputMajor) },
        layer: { pass, x, dy, arena in
          let (y, dx) = (arena.matrix(n, outputs), arena.matrix(n, inputs))
          linear.forward(x, pass, into: y)
          linear.backward(x: x, dy: dy, pass, in: group, into: dx)
          pass.sink?.add(group)
          return (y.array.map(Double.init), dx.array)
        })
      #expect(checkLayer(check) == [])
    }
  }

  @Test func linearAddsToWhatStands() {
    var layout = ParameterLayout()
    let linear = Linear("l", inputs: 5, outputs: 3, bias: true, inputMajor: false, deviation: 0.02, into: &layout)
    let group = layout.group(from: 0)
    // y = x·W + b + x's first columns: the direct path's gradient stands in dx before backward adds to it.
    let check = LayerCase(
      "Linear accumulating", layout, input: (7, 5), output: (7, 3), longestSum: 7,
      reference: { $0.linear("l", $1, inputMajor: false) + $1.taking(columns: 0..<3) },
      layer: { pass, x, dy, arena in
        let (y, dx) = (arena.matrix(7, 3), arena.matrix(7, 5))
        linear.forward(x, pass, into: y)
        dx.fill(0)
        for row in 0..<7 {
          for column in 0..<3 {
            y[row, column] += x[row, column]
            dx[row, column] = dy[row, column]
          }
        }
        linear.backward(x: x, dy: dy, pass, in: group, into: dx, accumulate: true)
        pass.sink?.add(group)
        return (y.array.map(Double.init), dx.array)
      })
    #expect(checkLayer(check) == [])
  }

  @Test(arguments: ModelConfiguration.Norm.allCases, [false, true])
  func norm(kind: ModelConfiguration.Norm, inPlace: Bool) {
    // No row of two: normalised it is ±1, its gradient nearly cancels, and rounding is all that is left to compare.
    for (n, c) in [(1, 5), (7, 13), (3, 31), (2, 67)] {
      var layout = ParameterLayout()
      let norm = Norm("n", width: c, kind: kind, epsilon: 1e-3, into: &layout)
      let group = layout.group(from: 0)
      let check = LayerCase(
        "Norm \(kind) \(n)×\(c)", layout, input: (n, c), output: (n, c), longestSum: max(n, c),
        reference: { $0.norm("n", $1, kind, epsilon: 1e-3) },
        layer: { pass, x, dy, arena in
          let (y, statistics) = (arena.matrix(n, c), arena.matrix(n, 2))
          norm.forward(x, pass, into: y, statistics: statistics)
          let dx = inPlace ? dy : arena.matrix(n, c)
          norm.backward(x: x, dy: dy, statistics: statistics, pass, in: group, into: dx)
          pass.sink?.add(group)
          return (y.array.map(Double.init), dx.array)
        })
      #expect(checkLayer(check) == [])
    }
  }

  @Test(arguments: ModelConfiguration.Norm.allCases)
  func normAddsToWhatStands(kind: ModelConfiguration.Norm) {
    var layout = ParameterLayout()
    let norm = Norm("n", width: 13, kind: kind, epsilon: 1e-5, into: &layout)
    let group = layout.group(from: 0)
    let check = LayerCase(
      "Norm \(kind) with a residual", layout, input: (5, 13), output: (5, 13), longestSum: 13,
      reference: { $1 + $0.norm("n", $1, kind, epsilon: 1e-5) },
      layer: { pass, x, dy, arena in
        let (y, statistics, dx) = (arena.matrix(5, 13), arena.matrix(5, 2), arena.matrix(5, 13))
        norm.forward(x, pass, into: y, statistics: statistics)
        addInPlace(y, x)
        dx.copy(from: dy)
        norm.backward(x: x, dy: dy, statistics: statistics, pass, in: group, into: dx, accumulate: true)
        pass.sink?.add(group)
        return (y.array.map(Double.init), dx.array)
      })
    #expect(checkLayer(check) == [])
  }
}
