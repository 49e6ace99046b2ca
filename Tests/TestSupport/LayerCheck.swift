import Core
import Kernels
import Layers
import Tensors

/// A layer at one shape with its reference: what `checkLayer` needs.
public struct LayerCase {
  public var name: String
  public var layout: ParameterLayout
  /// Shape of the differentiable input; zero columns where there is none.
  public var input: (rows: Int, columns: Int)
  /// Shape of the output, whose gradient is drawn at random.
  public var output: (rows: Int, columns: Int)
  /// The longest sum an element of the output or of a gradient goes through.
  public var longestSum: Int
  /// Layers in a row, as far as rounding is concerned.
  public var depth: Int
  public var differences: Differences
  public var dropout: CounterGenerator?
  /// Floats of memory the layer gets.
  public var memory = 1 << 17
  /// The output from the parameters and the input.
  public var reference: (Scope, Value) -> Value
  /// Forward and backward: (pass, x, dy, memory) → (y, dx). Memory is full of NaNs.
  public var layer: (Pass, TensorView, TensorView, Arena) -> (y: [Double], dx: [Float])

  public init(
    _ name: String, _ layout: ParameterLayout, input: (rows: Int, columns: Int), output: (rows: Int, columns: Int),
    longestSum: Int,
    depth: Int = 1, differences: Differences = .everyElement, dropout: CounterGenerator? = nil,
    reference: @escaping (Scope, Value) -> Value,
    layer: @escaping (Pass, TensorView, TensorView, Arena) -> (y: [Double], dx: [Float])
  ) {
    (self.name, self.layout, self.input, self.output) = (name, layout, input, output)
    (self.longestSum, self.depth, self.differences, self.dropout) = (longestSum, depth, differences, dropout)
    (self.reference, self.layer) = (reference, layer)
  }
}

/// Random parameters for a check: nothing is zero or one, as it would be at the start of training, where half the
/// faults hide.
public func fillForCheck(_ store: ParameterStore, seed: UInt64, deviation: Float = 0.4) {
  for entry in store.layout.entries {
    var numbers = SeededNumbers(seed &+ UInt64(entry.index) &* 104_729)
    let center: Float = entry.spec.initializer == .ones ? 1 : 0
    store.view(entry.index).copy(from: numbers.normal(entry.count, deviation: deviation).map { $0 + center })
  }
}

/// The two links of a layer: five-point differences ⇄ reference, in double precision; reference ⇄ layer, in float.
/// - Returns: what is wrong, one sentence each; empty when the layer is right.
public func checkLayer(_ c: LayerCase, seed: UInt64 = 1) -> [String] {
  BLAS.useOneThread()
  let store = ParameterStore(c.layout)
  fillForCheck(store, seed: seed)
  var numbers = SeededNumbers(seed &+ 17)
  let x = numbers.normal(c.input.rows * c.input.columns)
  let dy = numbers.normal(c.output.rows * c.output.columns)

  let (parameters, xs, dys) = (store.all.array.map(Double.init), x.map(Double.init), dy.map(Double.init))
  func evaluate(_ parameters: [Double], _ xs: [Double], recording: Bool) -> (scope: Scope, x: Value, y: Value) {
    let tape = Tape(recording: recording)
    let scope = Scope(tape, c.layout, parameters, dropout: c.dropout)
    let input = tape.leaf(c.input.rows, c.input.columns, xs)
    return (scope, input, c.reference(scope, input))
  }
  func objective(_ parameters: [Double], _ xs: [Double]) -> Double {
    zip(evaluate(parameters, xs, recording: false).y.data, dys).reduce(0) { $0 + $1.0 * $1.1 }
  }
  let reference = evaluate(parameters, xs, recording: true)
  reference.scope.tape.backward(from: reference.y, seed: dys)
  let gradients = reference.scope.gradients

  var faults = tensorFaults(c, parameters, gradients, seed: seed) { objective($0, xs) }
  faults += differenceFaults("\(c.name): input", xs, gradient: reference.x.gradient, c.differences, seed: seed) {
    objective(parameters, $0)
  }
  faults += layerFaults(c, store, x, dy, y: reference.y.data, dx: reference.x.gradient, gradients)
  return faults
}

/// Link one over all parameters of a layout.
func tensorFaults(
  _ c: LayerCase, _ parameters: [Double], _ gradients: [Double], seed: UInt64, _ f: ([Double]) -> Double
) -> [String] {
  parameterDifferenceFaults(c.name, c.layout, parameters, gradients, c.differences, seed: seed, f)
}

public func parameterDifferenceFaults(
  _ name: String, _ layout: ParameterLayout, _ parameters: [Double], _ gradients: [Double], _ differences: Differences,
  seed: UInt64,
  _ f: ([Double]) -> Double
) -> [String] {
  layout.entries.flatMap { entry in
    differenceFaults(
      "\(name): \(entry.name)", Array(parameters[entry.range]), gradient: Array(gradients[entry.range]), differences,
      seed: seed
    ) { values in
      var moved = parameters
      moved.replaceSubrange(entry.range, with: values)
      return f(moved)
    }
  }
}

/// Link two.
private func layerFaults(
  _ c: LayerCase, _ store: ParameterStore, _ x: [Float], _ dy: [Float], y: [Double], dx: [Double], _ gradients: [Double]
) -> [String] {
  let arena = Arena(floats: c.memory)
  arena.fill(.nan)
  let (xView, dyView) = (arena.matrix(c.input.rows, c.input.columns), arena.matrix(c.output.rows, c.output.columns))
  xView.copy(from: x)
  dyView.copy(from: dy)
  let sink = RecordingSink(c.layout)
  let result = c.layer(Pass(store, sink: sink, dropout: c.dropout), xView, dyView, arena)
  let tolerance = Tolerance.float(sum: c.longestSum, depth: c.depth)
  var faults = sink.wrongUses().map { "\(c.name): \($0)" }
  faults += [mismatch("\(c.name): output", result.y, y, tolerance: tolerance)].compactMap { $0 }
  faults += [mismatch("\(c.name): input gradient", result.dx, dx, tolerance: tolerance)].compactMap { $0 }
  faults += gradientFaults(c.name, sink, gradients, tolerance: tolerance)
  return faults
}

/// Every parameter's recorded gradient against its reference.
///
/// A gradient that vanishes by the mathematics, such as that of a bias that every term subtracts from itself, is noise
/// of rounding in both: it is held to the tolerance of the largest gradient of all.
public func gradientFaults(_ name: String, _ sink: RecordingSink, _ gradients: [Double], tolerance: Double) -> [String]
{
  let largest = gradients.reduce(0) { max($0, abs($1)) }
  // What is summed for a statistic is no gradient.
  return sink.layout.entries.filter { $0.spec.role == .trained }.compactMap { entry in
    let (what, own, wanted) = (
      "\(name): gradient of \(entry.name)", sink.gradient(entry), Array(gradients[entry.range])
    )
    guard wanted.allSatisfy({ abs($0) <= 1e-13 * largest }) else {
      return mismatch(what, own, wanted, tolerance: tolerance)
    }
    return own.allSatisfy { abs(Double($0)) <= tolerance * largest } ? nil : "\(what) is not 0: \(own)"
  }
}
