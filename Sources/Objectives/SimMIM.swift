import Core
import Kernels
import Layers
import Models
import Tensors

/// `simmim`: a learned vector stands in place of hidden patches, the encoder reads all positions, and a linear head
/// regresses the numbers of the hidden ones under L1.
///
/// *Concretely:* the grid is covered by cells of `mask_cell` patches along each axis, of which ⌈r · cells⌉ are hidden.
/// L = Σ m·ℓ / Σ m, ℓ the mean of |ŷ - y| over the numbers of a patch, m the hidden patches, or all of them.
///
/// Reference: Xie et al., "SimMIM: a simple framework for masked image modeling", 2021, arXiv 2111.09886.
public struct SimMIM: ValueObjective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// Share of the cells that are hidden.
    public var maskRatio = 0.6
    /// Patches of a cell along each axis.
    public var maskCell = 1
    /// Which positions count in the loss.
    public var lossOn = PatchReconstruction.Scope.hidden

    public static let sentences = [
      "mask_ratio": "Share of the cells that are hidden, 0.01 … 0.99.",
      "mask_cell": "Patches of a cell along each axis, which it must divide, 1 … 64.",
      "loss_on": "Which positions count in the loss: the hidden ones, or all.",
    ]

    public init() {}
  }

  public static let name = "simmim"
  public static let summary = "Regress hidden patches at a learned vector in their places, with one linear layer."
  public static let paper = "Xie et al. 2021, SimMIM, arXiv 2111.09886"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// The network and its loss.
  public let prediction: ValuePrediction
  private let mask: CellMask
  private let grid: [Int]

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let shape = try data.requireGrid(Self.name)
    var problems = OptionProblems()
    problems.require("mask_ratio", options.maskRatio, in: 0.01...0.99)
    problems.require("mask_cell", options.maskCell, in: 1...64)
    problems.require(
      options.maskCell < 1 || shape.positionGrid.allSatisfy { $0 % options.maskCell == 0 }, "mask_cell",
      "is \(options.maskCell); it must divide each axis of the \(shape.positionGrid) patches.")
    try problems.throwIfAny()
    self.options = options
    (mask, grid) = (CellMask(cell: options.maskCell), shape.positionGrid)
    prediction = ValuePrediction(try model.withHiddenRow(), size: shape.size, loss: .l1)
  }

  /// Positions of a whole sample that are not hidden.
  var visiblePositions: Int {
    let positions = grid.reduce(1, *)
    let cell = grid.reduce(1) { size, _ in size * mask.cell }
    return positions - CellMask.count(ratio: options.maskRatio, of: positions / cell) * cell
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedPatches(encoder.configuration, scope: options.lossOn)
    for sample in 0..<clean.count {
      let random = context.random(clean.sampleIDs[sample])
      masked.add(sample, of: clean, hiding: mask.hidden(ratio: options.maskRatio, clean, sample, grid, random))
    }
    return masked.example(clean)
  }
}

/// Hides whole cells of patches, ⌈ratio · cells⌉ of them.
///
/// Reference: Xie et al., "SimMIM", 2021, arXiv 2111.09886, section 3.2.
struct CellMask: Sendable {
  /// Patches of a cell along each axis.
  let cell: Int

  /// The positions hidden, in rising order; real ones alone. - Precondition: `cell` divides each axis of `grid`.
  func hidden(
    ratio: Double, _ clean: SampleBatch, _ sample: Int, _ grid: [Int], _ random: CounterGenerator
  ) -> [Int] {
    let real = clean.realPositions(sample)
    let cellOf = real.map { cellIndex($0, grid) }
    let cells = Array(Set(cellOf)).sorted()
    let chosen = Set(randomSubset(cells, count: Self.count(ratio: ratio, of: cells.count), random))
    return zip(real, cellOf).filter { chosen.contains($0.1) }.map(\.0)
  }

  /// ⌈ratio · cells⌉, at least one.
  static func count(ratio: Double, of cells: Int) -> Int {
    min(max(Int((ratio * Double(cells) - 1e-9).rounded(.up)), 1), cells)
  }

  private func cellIndex(_ position: Int, _ grid: [Int]) -> Int {
    guard cell > 1 else { return position }
    var (rest, index, stride) = (position, 0, 1)
    for size in grid.reversed() {
      index += rest % size / cell * stride
      (rest, stride) = (rest / size, stride * (size / cell))
    }
    return index
  }
}
