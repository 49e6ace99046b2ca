import Core
import Kernels
import Layers
import Models
import Tensors

/// A masked autoencoder: the encoder reads the visible rows of a sample alone, at their own positions; a light decoder
/// reads the encoder's outputs with one learned vector at every hidden position, and gives a hidden state for each.
///
/// An example has two inputs, as `inputs` makes them: what the encoder reads [n·(K + V) rows], and what the decoder
/// reads [n·(K + T) rows], K being 1 with [CLS]. Heads score the decoder's hidden states and add their gradients to
/// `gradient`.
///
/// Reference: He et al., "Masked autoencoders are scalable vision learners", 2021, arXiv 2111.06377.
public struct MaskedAutoencoder: Sendable {
  public let encoder: Transformer
  public let decoder: Transformer
  /// The encoder's parameters in the layout.
  public let encoderEntries: Range<Int>
  /// Dropout of the two networks differs by these indices.
  private static let (encoderPass, decoderPass): (UInt32, UInt32) = (0, 1)

  /// Declares the decoder (`decoder.`, with the vector of hidden positions `decoder.embedding.learned`) and the
  /// encoder; heads are declared before.
  ///
  /// - Parameter decoder: the shape of the decoder; what it reads is as wide as the encoder's outputs.
  public init(_ model: ModelConfiguration, decoder shape: ModelConfiguration, into layout: inout ParameterLayout) {
    decoder = Transformer(Self.decoderShape(shape, of: model), prefix: "decoder.", head: false, into: &layout)
    let start = layout.entries.count
    encoder = Transformer(model, head: false, into: &layout)
    encoderEntries = start..<layout.entries.count
  }

  /// The shape of a decoder that reads the outputs of an encoder `model`, with a vector of its own for hidden
  /// positions.
  static func decoderShape(_ shape: ModelConfiguration, of model: ModelConfiguration) -> ModelConfiguration {
    var light = shape
    (light.inputSize, light.vocabSize) = (model.hiddenSize, 0)
    (light.maxPosition, light.positionGrid) = (model.maxPosition, model.positionGrid)
    (light.leadingRows, light.learnedRows) = (model.leadingRows, 1)
    return light
  }

  /// What encoder and decoder read when sample i shows the positions `visible[i]`.
  ///
  /// - Precondition: every sample shows equally many positions, in rising order.
  public static func inputs(_ clean: SampleBatch, visible: [[Int]], _ model: ModelConfiguration) -> [SequenceInput] {
    let hidden = visible.map { own in
      let isVisible = Set(own)
      return (0..<clean.length).filter { !isVisible.contains($0) }
    }
    var whole = clean.patches(model, hidden: hidden)
    // The decoder reads the encoder's rows: its only learned row is that of hidden positions.
    for sample in 0..<clean.count {
      for k in 0..<model.leadingRows { whole.learned[sample * whole.length + k] = -1 }
    }
    whole.values = []
    return [clean.patches(model, shown: visible), whole]
  }

  /// The decoder's rows of hidden positions, in rising order.
  public static func hiddenRows(_ example: TrainingExample) -> [Int] {
    example.inputs[1].learned.indices.filter { example.inputs[1].learned[$0] >= 0 }
  }

  /// Memory of a worker.
  public struct Workspace {
    let encoder: Transformer.Workspace, decoder: Transformer.Workspace
    let rows: TensorView

    /// - Parameters:
    ///   - visible: the most visible positions of a sample.
    ///   - length: positions of a sample.
    public init(_ model: MaskedAutoencoder, samples: Int, visible: Int, length: Int, _ arena: Arena) {
      let leading = model.encoder.configuration.leadingRows
      encoder = Transformer.Workspace(model.encoder, samples: samples, length: leading + visible, arena)
      decoder = Transformer.Workspace(model.decoder, samples: samples, length: leading + length, arena)
      rows = arena.matrix(samples * (leading + visible), model.encoder.configuration.hiddenSize)
    }
  }

  /// The decoder's hidden states [n·(K + T), C of the decoder], with a gradient of zero for heads to add to (nil
  /// without a sink), and the pass that heads on them use.
  public func forward(_ example: TrainingExample, _ pass: ObjectivePass, _ w: Workspace) -> (
    hidden: TensorView, gradient: TensorView?, pass: Pass
  ) {
    let (input, whole, above) = (example.inputs[0], example.inputs[1], pass.trained(Self.decoderPass))
    let encoded = encoder.forward(input, pass.trained(Self.encoderPass), w.encoder)
    let hidden = decoder.forward(whole, above, rows: encoded, w.decoder)
    return (hidden, decoder.beginGradient(whole, above, w.decoder), above)
  }

  /// The encoder's outputs [n·(K + V), C] after a forward pass.
  public func encoded(_ example: TrainingExample, _ w: Workspace) -> TensorView {
    w.encoder.hidden.first(example.inputs[0].rows)
  }

  /// The gradients of both networks and of the vector of hidden positions, from what heads added.
  ///
  /// - Parameter more: adds to the gradient of the encoder's outputs what other readers than the decoder contribute.
  public func backward(
    _ example: TrainingExample, _ pass: ObjectivePass, _ w: Workspace, adding more: (TensorView) -> Void = { _ in }
  ) {
    guard pass.sink != nil else { return }
    let (input, below) = (example.inputs[0], pass.trained(Self.encoderPass))
    let rows = w.rows.first(input.rows)
    decoder.backward(example.inputs[1], pass.trained(Self.decoderPass), w.decoder, drows: rows)
    if let encoded = encoder.beginGradient(input, below, w.encoder) {
      encoded.copy(from: rows)
      more(encoded)
    }
    encoder.backward(input, below, w.encoder)
  }

  /// Required flops of both networks on an example.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    encoder.configuration.trainingFlops(example.inputs[0], logits: 0)
      + decoder.configuration.trainingFlops(example.inputs[1], logits: 0)
  }
}
