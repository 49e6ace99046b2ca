import Core
import Kernels
import Layers
import Models
import Tensors

/// What a masked autoencoder on numbers hides and is scored on.
public struct ReconstructionOptions: ObjectiveOptions {
  /// Share of the positions that the encoder does not see.
  public var maskRatio = 0.75
  /// Targets are normalised within each position.
  public var normPixLoss = true
  /// Which positions count in the loss.
  public var lossOn = PatchReconstruction.Scope.hidden

  public static let sentences = [
    "mask_ratio": "Share of the positions that the encoder does not see, 0.01 … 0.99.",
    "norm_pix_loss": "Targets are normalised by the mean and the deviation of each position's own numbers.",
    "loss_on": "Which positions count in the loss: the hidden ones, or all.",
  ]

  public init() {}
}

/// A masked autoencoder with a linear head that regresses the numbers of positions: what `mae` and its relatives share.
///
/// *Concretely:* of L positions K = ⌊L · (1 - r)⌋ are visible. With ŷ the decoder's prediction [P] at a position and y
/// its numbers, ℓ = mean over P of (ŷ - y)², or another loss, and L = Σ m·ℓ / Σ m with m the hidden positions, or all.
///
/// Reference: He et al., "Masked autoencoders are scalable vision learners", 2021, arXiv 2111.06377.
public struct PatchReconstruction: Sendable {
  /// Which positions count in the loss.
  public enum Scope: String, Codable, Sendable, CaseIterable { case hidden, all }

  /// Encoder and decoder.
  public let autoencoder: MaskedAutoencoder
  /// Gives the numbers of a position from the decoder.
  public let head: RegressionHead
  public let networks: NetworkSet
  /// Positions along each axis.
  public let grid: [Int]
  /// Positions that the encoder sees.
  public internal(set) var kept: Int
  /// The encoder and the decoder as checkpoints are written.
  public let exported: ModelConfiguration
  /// Where each number of a position stands among those predicted, which have the channel last as MAE's classes do.
  let order: [Int]
  /// How a number is scored.
  public let loss: RegressionLoss
  let target: ValueTarget
  let scope: Scope

  /// - Parameters:
  ///   - kept: positions that the encoder sees; nil for what the ratio says.
  /// - Throws: `ConfigurationError` for options out of range, and for data without numbers.
  public init(
    _ options: ReconstructionOptions, _ decoder: DecoderOptions, model: ModelConfiguration, data: DataShape,
    objective: String, kept: Int? = nil, loss: RegressionLoss = .l2
  ) throws(ConfigurationError) {
    var layout = ParameterLayout()
    try self.init(
      options, decoder, model: model, data: data, objective: objective, kept: kept, loss: loss, into: &layout)
  }

  /// The same behind parameters that `layout` already has: those of networks whose backward pass ends before.
  public init(
    _ options: ReconstructionOptions, _ decoder: DecoderOptions, model: ModelConfiguration, data: DataShape,
    objective: String, kept: Int? = nil, loss: RegressionLoss = .l2, into layout: inout ParameterLayout
  ) throws(ConfigurationError) {
    var problems = OptionProblems()
    problems.require("mask_ratio", options.maskRatio, in: 0.01...0.99)
    let shape = try data.requireGrid(objective)
    problems.require(
      !options.normPixLoss || shape.size >= 2, "norm_pix_loss",
      "is true, but a position is one number, whose deviation is 0; set it to false.")
    try problems.throwIfAny()
    try model.requireValid()
    let light = try decoder.shape(model)
    (grid, self.kept) = (shape.positionGrid, kept ?? keptCount(options.maskRatio, of: shape.positions))
    self.loss = loss
    (target, scope) = (options.normPixLoss ? .normalized : .values, options.lossOn)
    order = shape.channelLast
    var whole = model
    whole.decoder = DecoderShape(
      hiddenSize: light.hiddenSize, numLayers: light.numLayers, numHeads: light.numHeads,
      intermediateSize: light.intermediateSize, maskRatio: options.maskRatio, normPixLoss: options.normPixLoss)
    exported = whole
    head = RegressionHead("output", light, size: shape.size, into: &layout)
    autoencoder = MaskedAutoencoder(model, decoder: light, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  /// Samples of which each shows `kept` positions, those that the mask leaves.
  public func corrupt(_ clean: SampleBatch, _ context: StepContext, _ mask: some PositionMask) -> TrainingExample {
    let visible = (0..<clean.count).map {
      shownPositions(clean, $0, kept: kept, mask, grid: grid, context.random(clean.sampleIDs[$0]))
    }
    return example(clean, visible: visible)
  }

  /// Samples that show these positions.
  public func example(_ clean: SampleBatch, visible: [[Int]]) -> TrainingExample {
    var targets = ValueTargets(target)
    for sample in 0..<clean.count {
      let isVisible = Set(visible[sample])
      for i in clean.realPositions(sample) where scope == .all || !isVisible.contains(i) {
        targets.add(i, of: sample, in: clean)
      }
    }
    var all = targets.targets()
    (all.values, all.elementWeights) = (reordered(all.values), reordered(all.elementWeights))
    return TrainingExample(
      inputs: MaskedAutoencoder.inputs(clean, visible: visible, autoencoder.encoder.configuration), targets: [all])
  }

  /// The numbers of positions with the channel last.
  private func reordered(_ numbers: [Float]) -> [Float] {
    stride(from: 0, to: numbers.count, by: order.count).flatMap { start in order.map { numbers[start + $0] } }
  }

  /// The decoder's rows of rows [samples · length], which leave out [CLS].
  public func decoderRows(_ rows: [Int], _ example: TrainingExample) -> [Int] {
    let leading = autoencoder.encoder.configuration.leadingRows
    let length = example.inputs[1].length - leading
    return rows.map { $0 / length * (length + leading) + leading + $0 % length }
  }

  /// Memory of a worker.
  public typealias Workspace = (networks: MaskedAutoencoder.Workspace, head: RegressionHead.Saved)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> Workspace {
    (
      MaskedAutoencoder.Workspace(autoencoder, samples: samples, visible: kept, length: length, arena),
      RegressionHead.Saved(head, rows: samples * length, arena)
    )
  }

  /// The loss sum of the first term; backward where the pass has a sink.
  public func lossAndGradient(_ example: TrainingExample, _ pass: ObjectivePass, scale: Float, _ w: Workspace)
    -> Double
  {
    let sum = score(example, pass, scale: scale, w).loss
    autoencoder.backward(example, pass, w.networks)
    return sum
  }

  /// Forward and loss: the loss sum of the first term, and the weighted loss of each of its rows. With a sink, the
  /// decoder's hidden states have their gradient, and `autoencoder.backward` must follow.
  public func score(_ example: TrainingExample, _ pass: ObjectivePass, scale: Float, _ w: Workspace) -> (
    loss: Double, rowLosses: [Double]
  ) {
    let (hidden, gradient, above) = autoencoder.forward(example, pass, w.networks)
    let targets = example.targets[0]
    var rowLosses = [Double](repeating: 0, count: targets.rows.count)
    let loss = head.loss(
      hidden, rows: decoderRows(targets.rows, example), weights: targets.weights, above, w.head, gradient: gradient
    ) { predicted, isTraining, noted in
      let sum = rowLosses.withUnsafeMutableBufferPointer {
        regressionLoss(
          self.loss, predicted, targets.numbers, scale: scale, gradient: isTraining, rowLosses: $0.baseAddress)
      }
      if let noted { for (i, value) in rowLosses.enumerated() { noted[i] = value } }
      return sum
    }
    return (loss, rowLosses)
  }

  public func trainingFlops(_ example: TrainingExample) -> Double {
    let width = Double(autoencoder.decoder.configuration.hiddenSize)
    return autoencoder.trainingFlops(example) + 6 * width * Double(head.size * example.targets[0].rows.count)
  }
}

/// An objective that is `PatchReconstruction` behind masks of its own.
public protocol ReconstructionObjective: Objective {
  /// The networks with their loss.
  var reconstruction: PatchReconstruction { get }
}

extension ReconstructionObjective {
  public var networks: NetworkSet { reconstruction.networks }
  public var encoder: Transformer { reconstruction.autoencoder.encoder }
  public var exported: ModelConfiguration { reconstruction.exported }
  public var terms: [LossTerm] { [LossTerm("reconstruction")] }

  /// The loss of zeros is the mean square of the targets: nothing that is known in advance.
  public func trivialLoss(term: Int) -> Double? { nil }

  public func trainingFlops(_ example: TrainingExample) -> Double { reconstruction.trainingFlops(example) }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    PartsWorkspace(reconstruction.workspace(samples: samples, length: length, arena))
  }

  public func predictions(
    _ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace
  ) -> ValuePredictions? {
    reconstruction.predictions(example, pass, PartsWorkspace<PatchReconstruction.Workspace>.parts(of: workspace))
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let parts = PartsWorkspace<PatchReconstruction.Workspace>.parts(of: workspace)
    return [reconstruction.lossAndGradient(example, pass, scale: scales[0], parts)]
  }
}
