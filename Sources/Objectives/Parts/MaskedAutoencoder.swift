import Core
import Kernels
import Layers
import Models
import Tensors

/// A masked autoencoder: the encoder reads the visible rows of a sample alone, at their own positions; a light decoder
/// reads the encoder's outputs with one learned vector at every hidden position, and gives a hidden state for each.
///
/// An example has two inputs, as `inputs` makes them: what the encoder reads [n·V rows], and what the decoder reads
/// [n·T rows]. Heads score the decoder's hidden states and add their gradients to `gradient`.
///
/// Reference: "Masked Autoencoders Are Scalable Vision Learners", 2021, arXiv 2111.06377.
public struct MaskedAutoencoder: Sendable {
  public let encoder: Transformer
  public let decoder: Transformer
  private let maskVector: Int
  /// Dropout of the two networks differs by these indices.
  private static let (encoderPass, decoderPass): (UInt32, UInt32) = (0, 1)

  /// Declares the decoder (`decoder.`), the vector of hidden positions (`mask_token`) and the encoder; heads are
  /// declared before.
  ///
  /// - Parameter decoder: the shape of the decoder; what it reads is as wide as the encoder's outputs.
  public init(_ model: ModelConfiguration, decoder shape: ModelConfiguration, into layout: inout ParameterLayout) {
    var light = shape
    (light.inputSize, light.vocabSize, light.maxPosition) = (model.hiddenSize, 0, model.maxPosition)
    decoder = Transformer(light, prefix: "decoder.", head: false, into: &layout)
    maskVector = layout.append(
      ParameterSpec("mask_token", [model.hiddenSize], decay: false, .normal(model.initializerRange)))
    encoder = Transformer(model, head: false, into: &layout)
  }

  /// What encoder and decoder read when sample i shows the positions `visible[i]`.
  ///
  /// - Precondition: every sample shows equally many positions, in rising order.
  public static func inputs(_ clean: SampleBatch, visible: [[Int]]) -> [SequenceInput] {
    let (length, size, kept) = (clean.length, clean.valueSize, visible.first?.count ?? 0)
    precondition(
      visible.count == clean.count && visible.allSatisfy { $0.count == kept },
      "every sample must show \(kept) positions")
    var (values, positions) = ([Float](), [Int32]())
    for sample in 0..<clean.count {
      for i in visible[sample] {
        values += clean.values[(sample * length + i) * size..<(sample * length + i + 1) * size]
        positions.append(Int32(i))
      }
    }
    func everything(_ length: Int) -> AttentionRanges {
      AttentionRanges(
        samples: clean.count, length: length, documentIDs: [Int32](repeating: 0, count: clean.count * length),
        causal: false,
        documentMasking: false)
    }
    return [
      SequenceInput(
        sampleIDs: clean.sampleIDs, length: kept, values: values, positionIDs: positions, ranges: everything(kept)),
      SequenceInput(sampleIDs: clean.sampleIDs, length: length, ranges: everything(length)),
    ]
  }

  /// Where the encoder's rows stand among the decoder's.
  public static func visibleRows(_ example: TrainingExample) -> [Int] {
    let (kept, length) = (example.inputs[0].length, example.inputs[1].length)
    return example.inputs[0].positionIDs.enumerated().map { $0.offset / kept * length + Int($0.element) }
  }

  /// Memory of a worker.
  public struct Workspace {
    let encoder: Transformer.Workspace, decoder: Transformer.Workspace
    let rows: TensorView, maskGradient: TensorView

    /// - Parameters:
    ///   - visible: the most visible positions of a sample.
    ///   - length: positions of a sample.
    public init(_ model: MaskedAutoencoder, samples: Int, visible: Int, length: Int, _ arena: Arena) {
      encoder = Transformer.Workspace(model.encoder, samples: samples, length: visible, arena)
      decoder = Transformer.Workspace(model.decoder, samples: samples, length: length, arena)
      rows = arena.matrix(samples * length, model.encoder.configuration.hiddenSize)
      maskGradient = arena.matrix(1, model.encoder.configuration.hiddenSize)
    }
  }

  /// The decoder's hidden states [n·T, C of the decoder], with a gradient of zero for heads to add to (nil without a
  /// sink), and the pass that heads on them use.
  public func forward(_ example: TrainingExample, _ pass: ObjectivePass, _ w: Workspace) -> (
    hidden: TensorView, gradient: TensorView?, pass: Pass
  ) {
    let (input, whole) = (example.inputs[0], example.inputs[1])
    let above = pass.trained(Self.decoderPass)
    let rows = w.rows.first(whole.rows)
    let encoded = encoder.forward(input, pass.trained(Self.encoderPass), w.encoder)
    broadcastRow(pass.parameters.trained.view(maskVector), into: rows)
    for (i, row) in Self.visibleRows(example).enumerated() {
      rows.rows(row..<row + 1).copy(from: encoded.rows(i..<i + 1))
    }
    let hidden = decoder.forward(whole, above, rows: rows, w.decoder)
    return (hidden, decoder.beginGradient(whole, above, w.decoder), above)
  }

  /// The gradients of both networks and of the mask's vector, from what heads added.
  public func backward(_ example: TrainingExample, _ pass: ObjectivePass, _ w: Workspace) {
    guard let sink = pass.sink else { return }
    let (input, whole, visible) = (example.inputs[0], example.inputs[1], Self.visibleRows(example))
    let (below, rows) = (pass.trained(Self.encoderPass), w.rows.first(whole.rows))
    decoder.backward(whole, pass.trained(Self.decoderPass), w.decoder, drows: rows)
    let (gradient, isVisible) = (w.maskGradient, Set(visible))
    gradient.fill(0)
    for row in 0..<rows.rows where !isVisible.contains(row) { addInPlace(gradient, rows.rows(row..<row + 1)) }
    sink.addRows([0], gradient, of: maskVector)
    if let encoded = encoder.beginGradient(input, below, w.encoder) { gatherRows(rows, at: visible, into: encoded) }
    encoder.backward(input, below, w.encoder)
  }
}
