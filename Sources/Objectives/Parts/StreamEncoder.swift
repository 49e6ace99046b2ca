import Core
import Kernels
import Layers
import Models
import Tensors

/// How a `StreamEncoder` splits a series.
struct StreamShape: Sendable {
  /// Numbers of a patch, P.
  let patch: Int
  /// Numbers of a stream's token, S.
  let stream: Int
  /// σ of the smoother at the start, in steps …
  let start: Double
  /// … its bounds …
  let range: ClosedRange<Double>
  /// … and the oldest step that it reads.
  let lag: Int
}

/// An encoder of series with missing numbers that reads two streams: the state, a smoothed series, and the event, what
/// is left of the series without it.
///
/// *Concretely:* of a series x [T] with o = 1 where it was measured, s = `CausalSmoother`(x) and e = o·(x - s). A patch
/// of P steps becomes a state token [s, c]·W_s + b_s and an event token [e, o]·W_e + b_e of S numbers each, c being 1
/// where s is the mean of anything. The transformer reads both side by side [2S] at each position.
///
/// Its input holds x and o of each position, [rows, 2P]. Rows of tokens are [samples · positions], without [CLS].
struct StreamEncoder: Sendable {
  let transformer: Transformer
  let shape: StreamShape
  private let smoother: CausalSmoother
  private let state: Linear
  private let event: Linear
  /// Both layers of tokens and the smoother.
  private let group: Range<Int>

  init(_ model: ModelConfiguration, _ shape: StreamShape, into layout: inout ParameterLayout) {
    self.shape = shape
    var reading = model
    reading.inputSize = 2 * shape.stream
    transformer = Transformer(reading, head: false, into: &layout)
    let start = layout.entries.count
    func tokens(_ name: String) -> Linear {
      Linear(
        name, inputs: 2 * shape.patch, outputs: shape.stream, bias: true, inputMajor: false,
        deviation: model.initializerRange, into: &layout)
    }
    (state, event) = (tokens("streams.state"), tokens("streams.event"))
    smoother = CausalSmoother("streams", start: shape.start, range: shape.range, lag: shape.lag, into: &layout)
    group = layout.group(from: start)
  }

  /// Memory of one pass.
  struct Workspace {
    let transformer: Transformer.Workspace
    /// Of steps [m, P]: x, o, s, c, and the gradient of s.
    fileprivate let values, observed, smoothed, covered, dsmoothed: TensorView
    /// What tokens are made of [m, 2P], the state's and the event's; then the gradient of either.
    fileprivate let stateInput, eventInput, dinput: TensorView
    /// Tokens [m, S], and the gradients that heads add to.
    let state, event, dstate, devent: TensorView
    /// Both side by side, and their gradient [m, 2S].
    fileprivate let joined, djoined: TensorView

    /// - Parameter length: positions of a sample.
    init(_ model: StreamEncoder, samples: Int, length: Int, forBackward: Bool = true, _ arena: Arena) {
      let (p, s, m) = (model.shape.patch, model.shape.stream, samples * length)
      let network = model.transformer
      transformer = Transformer.Workspace(
        network, samples: samples, length: network.configuration.leadingRows + length, forBackward: forBackward, arena)
      func matrix(_ columns: Int) -> TensorView { arena.matrix(m, columns) }
      (values, observed, smoothed, covered, dsmoothed) = (matrix(p), matrix(p), matrix(p), matrix(p), matrix(p))
      (stateInput, eventInput, dinput) = (matrix(2 * p), matrix(2 * p), matrix(2 * p))
      (state, event, dstate, devent) = (matrix(s), matrix(s), matrix(s), matrix(s))
      (joined, djoined) = (matrix(2 * s), matrix(2 * s))
    }
  }

  /// Rows of tokens of an input.
  func tokenRows(_ input: SequenceInput) -> Int {
    input.sampleIDs.count * (input.length - transformer.configuration.leadingRows)
  }

  /// The transformer's row of each row of tokens.
  func networkRows(_ rows: [Int], _ input: SequenceInput) -> [Int] {
    let leading = transformer.configuration.leadingRows
    let length = input.length - leading
    return rows.map { $0 / length * input.length + leading + $0 % length }
  }

  /// The hidden states; tokens stay in the workspace.
  @discardableResult
  func forward(_ input: SequenceInput, _ pass: Pass, _ w: Workspace) -> TensorView {
    transformer.forward(input, pass, rows: tokens(input, pass, w), w.transformer)
  }

  /// What the transformer reads, [m, 2S].
  func tokens(_ input: SequenceInput, _ pass: Pass, _ w: Workspace) -> TensorView {
    let (m, p, s) = (tokenRows(input), shape.patch, shape.stream)
    for (i, row) in networkRows(Array(0..<m), input).enumerated() {
      for k in 0..<p {
        w.values[i, k] = input.values[row * 2 * p + k]
        w.observed[i, k] = input.values[row * 2 * p + p + k]
      }
    }
    func series(_ x: TensorView) -> TensorView { x.shaped(input.sampleIDs.count, m * p / input.sampleIDs.count) }
    smoother.forward(
      series(w.values), observed: series(w.observed), pass, into: series(w.smoothed), covered: series(w.covered))
    for i in 0..<m {
      for k in 0..<p {
        (w.stateInput[i, k], w.stateInput[i, p + k]) = (w.smoothed[i, k], w.covered[i, k])
        let isMeasured = w.observed[i, k] != 0
        w.eventInput[i, k] = isMeasured ? w.values[i, k] - w.smoothed[i, k] : 0
        w.eventInput[i, p + k] = w.observed[i, k]
      }
    }
    state.forward(w.stateInput.first(m), pass, into: w.state.first(m))
    event.forward(w.eventInput.first(m), pass, into: w.event.first(m))
    for i in 0..<m {
      for k in 0..<s { (w.joined[i, k], w.joined[i, s + k]) = (w.state[i, k], w.event[i, k]) }
    }
    return w.joined.first(m)
  }

  /// Zeros for heads to add their gradients to: those of the hidden states, of state and of event tokens; nil without a
  /// sink.
  func beginGradient(_ input: SequenceInput, _ pass: Pass, _ w: Workspace) -> (
    hidden: TensorView, state: TensorView, event: TensorView
  )? {
    guard let hidden = transformer.beginGradient(input, pass, w.transformer) else { return nil }
    let (state, event) = (w.dstate.first(tokenRows(input)), w.devent.first(tokenRows(input)))
    state.fill(0)
    event.fill(0)
    return (hidden, state, event)
  }

  /// Gradients of all parameters, from what heads added.
  func backward(_ input: SequenceInput, _ pass: Pass, _ w: Workspace) {
    let (m, p, s) = (tokenRows(input), shape.patch, shape.stream)
    transformer.backward(input, pass, w.transformer, drows: w.djoined.first(m))
    for i in 0..<m {
      for k in 0..<s {
        w.dstate[i, k] += w.djoined[i, k]
        w.devent[i, k] += w.djoined[i, s + k]
      }
    }
    let dinput = w.dinput.first(m)
    state.backward(x: w.stateInput.first(m), dy: w.dstate.first(m), pass, in: group, into: dinput)
    for i in 0..<m { for k in 0..<p { w.dsmoothed[i, k] = dinput[i, k] } }
    event.backward(x: w.eventInput.first(m), dy: w.devent.first(m), pass, in: group, into: dinput)
    // The event is the series without the state.
    for i in 0..<m { for k in 0..<p where w.observed[i, k] != 0 { w.dsmoothed[i, k] -= dinput[i, k] } }
    func series(_ x: TensorView) -> TensorView { x.shaped(input.sampleIDs.count, m * p / input.sampleIDs.count) }
    smoother.backward(series(w.values), observed: series(w.observed), dy: series(w.dsmoothed), pass, in: group)
    pass.gradients.add(group)
  }
}
