import Core
import Kernels
import Tensors

/// The input of a network: tokens or rows of values, with the position of each row and the rows it attends to.
///
/// Rows are [samples · length]. `length` may be smaller than the model's context: an encoder that sees only visible
/// positions gets only those rows, with their own position ids.
public struct SequenceInput: Sendable {
  /// Stream position of each sample, the key of its randomness.
  public var sampleIDs: [UInt64]
  /// Rows per sample.
  public var length: Int
  /// [rows]; empty when the inputs are values.
  public var tokens: [Int32]
  /// [rows]: ids whose embeddings are added to those of the tokens, such as roles; empty for none.
  public var roleIDs: [Int32]
  /// [rows, inputSize]; empty when the inputs are tokens. Those of learned rows are not read.
  public var values: [Float]
  /// [rows]: the learned row that stands in place of a row of numbers, -1 for none; empty where there are none at all.
  public var learned: [Int32]
  /// [rows]: index into the position embedding, or the angle of rotary positions.
  public var positionIDs: [Int32]
  public var ranges: AttentionRanges
  /// The rows of the network's output that anything reads; nil for all. The last block computes only them.
  public private(set) var selection: RowSelection?
  /// Which of a decoder's keys each row sees, where they are not a range; nil for none.
  public var visible: AttentionBitmask?

  public init(
    sampleIDs: [UInt64], length: Int, tokens: [Int32] = [], values: [Float] = [], positionIDs: [Int32]? = nil,
    ranges: AttentionRanges,
    visible: AttentionBitmask? = nil, roleIDs: [Int32] = [], learned: [Int32] = []
  ) {
    self.learned = learned
    self.sampleIDs = sampleIDs
    self.length = length
    self.tokens = tokens
    self.values = values
    self.positionIDs = positionIDs ?? (0..<sampleIDs.count * length).map { Int32($0 % length) }
    self.ranges = ranges
    self.visible = visible
    self.roleIDs = roleIDs
    precondition(roleIDs.isEmpty || roleIDs.count == rows, "\(roleIDs.count) role ids for \(rows) rows")
    precondition(learned.isEmpty || learned.count == rows, "\(learned.count) learned rows for \(rows) rows")
    precondition(tokens.isEmpty || tokens.count == rows, "\(tokens.count) tokens for \(rows) rows")
    precondition(self.positionIDs.count == rows, "\(self.positionIDs.count) position ids for \(rows) rows")
  }

  public var rows: Int { sampleIDs.count * length }

  /// The rows that are not learned, in rising order; nil for all.
  var givenRows: [Int]? { learned.isEmpty ? nil : learned.indices.filter { learned[$0] < 0 } }
  /// The rows that are learned, in rising order.
  var replacedRows: [Int] { learned.indices.filter { learned[$0] >= 0 } }

  /// This input with only these rows of the output computed: hidden states of all others are zero.
  ///
  /// Without an effect where there are none, or more than three quarters of all: products of fewer rows are then no
  /// faster. The rule is a part of the arithmetic.
  public func selecting(_ outputs: [Int]) -> SequenceInput {
    var result = self
    let distinct = zip(outputs, outputs.dropFirst()).allSatisfy { $0 < $1 } ? outputs : Set(outputs).sorted()
    let isWorthwhile = !distinct.isEmpty && 4 * distinct.count <= 3 * rows
    result.selection =
      isWorthwhile ? RowSelection(distinct, samples: sampleIDs.count, length: length) : nil
    return result
  }

  /// This input with every row of the output computed.
  public var selectingAll: SequenceInput {
    var result = self
    result.selection = nil
    return result
  }

  /// The position of each row that a layer computes.
  var computedPositionIDs: [Int32] { selection.map { $0.rows.map { positionIDs[$0] } } ?? positionIDs }
}

/// One forward and backward pass of a network over a micro-batch: everything a layer reads besides its tensors.
public struct Pass {
  public let parameters: ParameterStore
  /// Where gradients go; nil for a pass without backward.
  public let sink: (any GradientSink)?
  /// The generator of dropout masks; nil switches dropout off.
  public let dropout: CounterGenerator?
  /// Added to every dropout site, so that two passes of one network over a sample differ.
  public let siteOffset: UInt32
  /// Where a loss layer records the losses of single samples, and under which term; nil for none.
  public let losses: SampleLosses?
  public let term: Int

  public init(
    _ parameters: ParameterStore, sink: (any GradientSink)? = nil, dropout: CounterGenerator? = nil,
    siteOffset: UInt32 = 0,
    losses: SampleLosses? = nil, term: Int = 0
  ) {
    self.parameters = parameters
    self.sink = sink
    self.dropout = dropout
    self.siteOffset = siteOffset
    self.losses = losses
    self.term = term
  }

  public var gradients: any GradientSink {
    guard let sink else { preconditionFailure("a backward pass needs a gradient sink") }
    return sink
  }

  /// The gradient of `entry`, to be written into the scratch of `group`.
  func gradient(_ entry: Int, in group: Range<Int>) -> TensorView {
    gradients.view(entry, in: group, parameters.layout)
  }

  /// Runs `loss` over some rows of a network's output; where the pass records losses of single samples, those of the
  /// rows are recorded.
  ///
  /// - Parameter total: rows of the network's output.
  func loss(
    _ rows: ArraySlice<Int>, of total: Int, _ weights: ArraySlice<Float>,
    _ loss: (UnsafeMutablePointer<Double>?) -> Double
  ) -> Double {
    guard let losses else { return loss(nil) }
    return losses.note(rows, of: total, weights, term: term, loss)
  }

  /// Drops elements of `x`, the rows of the samples of `input` or those that it selects, if dropout is on.
  func drop(_ x: TensorView, rate: Float, _ input: SequenceInput, site: UInt32) {
    guard let dropout, rate > 0 else { return }
    if let selection = input.selection {
      return Kernels.dropout(
        x, rate: rate, selection, sampleIDs: input.sampleIDs, site: site &+ siteOffset, dropout)
    }
    Kernels.dropout(
      x, rate: rate, rowsPerSample: input.length, sampleIDs: input.sampleIDs, site: site &+ siteOffset, dropout)
  }

  /// The gradient of a dropped tensor from the gradient `d` of what dropout made of it: `d` itself without dropout,
  /// else `copy`, which receives d times the mask.
  func dropped(_ d: TensorView, copy: TensorView, rate: Float, _ input: SequenceInput, site: UInt32) -> TensorView {
    guard dropout != nil, rate > 0 else { return d }
    copy.copy(from: d)
    drop(copy, rate: rate, input, site: site)
    return copy
  }

  func attentionDropout(rate: Float, _ input: SequenceInput, site: UInt32) -> AttentionDropout? {
    guard let dropout, rate > 0 else { return nil }
    return AttentionDropout(rate: rate, sampleIDs: input.sampleIDs, site: site &+ siteOffset, random: dropout)
  }
}
