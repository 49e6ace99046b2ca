import Core
import Kernels
import Layers
import Models
import Tensors

/// A light decoder that predicts one number for each position, how hard it is to reconstruct, and the loss that ranks
/// hidden positions by it.
///
/// *Concretely:* L = Σ over samples and pairs i < j of hidden positions of BCE(pᵢ - pⱼ, 1[ℓᵢ > ℓⱼ]), ℓ the
/// reconstruction losses, through which no gradient flows.
///
/// Reference: Wang et al., "Hard patches mining for masked image modeling", 2023, arXiv 2304.05919.
struct DifficultyDecoder: Sendable {
  let decoder: Transformer
  let head: RegressionHead
  /// Dropout differs from that of the encoder and of the decoder that reconstructs.
  private static let passIndex: UInt32 = 2

  /// Declares the head `difficulty.output` and the decoder `difficulty.`.
  /// - Parameter light: the decoder's shape.
  init(_ model: ModelConfiguration, decoder light: ModelConfiguration, into layout: inout ParameterLayout) {
    head = RegressionHead("difficulty.output", light, size: 1, into: &layout)
    decoder = Transformer(
      MaskedAutoencoder.decoderShape(light, of: model), prefix: "difficulty.", head: false, into: &layout)
  }

  /// Memory of a worker.
  struct Workspace {
    let decoder: Transformer.Workspace
    let head: RegressionHead.Saved
    let pairs: TensorView
    /// The gradient of the encoder's outputs.
    let rows: TensorView

    /// - Parameter visible: positions that the encoder sees; nil without a backward pass.
    init(_ model: DifficultyDecoder, samples: Int, visible: Int?, length: Int, _ arena: Arena) {
      let c = model.decoder.configuration
      decoder = Transformer.Workspace(
        model.decoder, samples: samples, length: c.leadingRows + length, forBackward: visible != nil, arena)
      head = RegressionHead.Saved(model.head, rows: samples * length, arena)
      pairs = arena.matrix(visible == nil ? 0 : length * (length - 1) / 2, 1)
      rows = arena.matrix(samples * (c.leadingRows + (visible ?? 0)), c.inputSize)
    }
  }

  /// The ranking loss of hidden rows, and with a sink the gradients of this decoder; that of the encoder's outputs is
  /// in `w.rows` then.
  ///
  /// - Parameters:
  ///   - rows: the decoder's rows that are compared, those of a sample adjacent.
  ///   - losses: ℓ of each.
  ///   - weights: what each row counts in a record of losses of samples.
  func lossAndGradient(
    _ input: SequenceInput, encoded: TensorView, rows: [Int], losses: [Double], weights: [Float],
    _ pass: ObjectivePass, scale: Float, _ w: Workspace
  ) -> Double {
    let own = pass.trained(Self.passIndex, term: 1)
    let hidden = decoder.forward(input, own, rows: encoded, w.decoder)
    let gradient = decoder.beginGradient(input, own, w.decoder)
    let loss = head.loss(hidden, rows: rows, weights: weights, own, w.head, gradient: gradient) {
      pairRankingLoss(
        scores: $0, values: losses, groups: Self.groups(rows, length: input.length), scale: scale, scratch: w.pairs,
        gradient: $1, rowLosses: $2)
    }
    if gradient != nil { decoder.backward(input, own, w.decoder, drows: w.rows.first(encoded.rows)) }
    return loss
  }

  /// How hard each of the given rows is.
  func difficulty(_ input: SequenceInput, encoded: TensorView, rows: [Int], _ pass: Pass, _ w: Workspace) -> [Float] {
    head.predict(decoder.forward(input, pass, rows: encoded, w.decoder), rows: rows, pass, w.head).array
  }

  /// Ranges of `rows` that belong to one sample each.
  private static func groups(_ rows: [Int], length: Int) -> [Range<Int>] {
    var (groups, start) = ([Range<Int>](), 0)
    for i in rows.indices where i + 1 == rows.count || rows[i + 1] / length != rows[i] / length {
      groups.append(start..<i + 1)
      start = i + 1
    }
    return groups
  }
}
