import Core
import Kernels
import Tensors

/// The input layer of a transformer: embeds tokens or projects values to rows of width C, adds positions and token
/// types, then applies BERT's norm (post-norm models) and dropout.
///
/// *Concretely:* `x = E_token[id] (or values · W + b, or E_learned[k]) + E_position[p] + E_type[0]`, in rows of
/// `resolvedEmbeddingSize`. Learned rows stand in place of rows of numbers: [CLS] and hidden positions.
/// The gradients of this layer complete last, so its parameters are at the end of the layout.
public struct InputEmbedding: Sendable {
  public let token: Int?
  public let values: Linear?
  /// The table of learned rows that stand in place of numbers.
  public let learned: Int?
  public let position: Int?
  public let type: Int?
  public let norm: Norm?
  public let dropout: Float
  public let group: Range<Int>
  /// The entries handed over as one dense gradient (value projection and norm).
  private let denseGroup: Range<Int>
  /// Positions are trained, and not a fixed table.
  private let learnsPositions: Bool

  /// - Parameters:
  ///   - readers: networks that read this embedding in a pass.
  ///   - tiedHeads: vocabulary heads whose weight is its token table.
  public init(
    _ name: String, _ c: ModelConfiguration, readers: Int = 1, tiedHeads: Int, into layout: inout ParameterLayout
  ) {
    precondition(readers == 1 || c.inputSize == 0, "values are read by one network")
    let (start, width) = (layout.entries.count, c.resolvedEmbeddingSize)
    dropout = c.dropout
    norm =
      c.normPlacement == .post
      ? Norm("\(name).norm", width: width, kind: c.norm, epsilon: c.normEps, uses: readers, into: &layout) : nil
    values =
      c.inputSize > 0
      ? Linear(
        "\(name).values", inputs: c.inputSize, outputs: width, bias: true, inputMajor: false,
        deviation: c.initializerRange, into: &layout) : nil
    denseGroup = layout.group(from: start)
    func table(_ what: String, _ rows: Int, uses: Int) -> Int? {
      rows == 0
        ? nil
        : layout.append(
          ParameterSpec("\(name).\(what)", [rows, width], decay: true, .normal(c.initializerRange), uses: uses))
    }
    type = table("type", c.typeVocabSize, uses: readers)
    learned = table("learned", c.learnedRows, uses: readers)
    learnsPositions = c.positionEmbedding != .sinCos
    position =
      learnsPositions
      ? table("position", c.positionEmbedding == .learned ? c.leadingRows + c.maxPosition : 0, uses: readers)
      : layout.append(Self.fixedPositions("\(name).position", c))
    token = table("token", c.inputSize > 0 ? 0 : c.vocabSize, uses: readers + tiedHeads)
    group = start..<layout.entries.count
  }

  private static func fixedPositions(_ name: String, _ c: ModelConfiguration) -> ParameterSpec {
    let grid = c.positionGrid.isEmpty ? [c.maxPosition] : c.positionGrid
    return ParameterSpec(
      name, [c.leadingRows + c.maxPosition, c.resolvedEmbeddingSize], decay: false,
      .sinCos(grid: grid, leading: c.leadingRows), uses: 0, role: .state)
  }

  public struct Saved {
    /// The sum before the norm; the output itself for pre-norm models.
    let sum: TensorView, statistics: TensorView, values: TensorView, scattered: TensorView
    /// Rows of numbers where others are learned.
    let given: TensorView

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      sum = arena.matrix(c.normPlacement == .post ? rows : 0, c.resolvedEmbeddingSize)
      statistics = arena.matrix(c.normPlacement == .post ? rows : 0, 2)
      values = arena.matrix(rows, c.inputSize)
      scattered = arena.matrix(rows, c.resolvedEmbeddingSize)
      given = arena.matrix(c.inputSize > 0 ? rows : 0, c.resolvedEmbeddingSize)
    }
  }

  /// - Parameters:
  ///   - rows: [n, inputSize], read in place of the input's values: the output of another network, one row for each
  ///     that is not learned.
  ///   - embedded: [n, C], in place of the tokens' embeddings: positions, types, norm and dropout still apply.
  public func forward(
    _ input: SequenceInput, _ pass: Pass, rows: TensorView? = nil, embedded: TensorView? = nil, _ s: Saved,
    into x: TensorView
  ) {
    let sum = norm == nil ? x : s.sum.first(input.rows)
    if let embedded {
      sum.copy(from: embedded)
    } else if let token {
      gatherRows(pass.parameters.view(token), input.tokens, into: sum)
      if !input.roleIDs.isEmpty { gatherRows(pass.parameters.view(token), input.roleIDs, into: sum, accumulate: true) }
    } else if let values {
      project(input, pass, values, rows: rows, s, into: sum)
    }
    if let position { gatherRows(pass.parameters.view(position), input.positionIDs, into: sum, accumulate: true) }
    if let type {
      gatherRows(pass.parameters.view(type), [Int32](repeating: 0, count: input.rows), into: sum, accumulate: true)
    }
    norm?.forward(sum, pass, into: x, statistics: s.statistics)
    pass.drop(x, rate: dropout, input, site: 1)
  }

  /// Numbers become rows; learned rows stand between them.
  private func project(
    _ input: SequenceInput, _ pass: Pass, _ values: Linear, rows: TensorView?, _ s: Saved, into sum: TensorView
  ) {
    guard let given = input.givenRows else {
      let kept = s.values.first(input.rows)
      if let rows { kept.copy(from: rows) } else { kept.copy(from: input.values) }
      return values.forward(kept, pass, into: sum)
    }
    guard let learned else { preconditionFailure("learned rows in the input of a model without any") }
    let (kept, projected) = (s.values.first(given.count), s.given.first(given.count))
    if let rows {
      kept.copy(from: rows)
    } else {
      let size = kept.columns
      kept.copy(from: given.flatMap { input.values[$0 * size..<($0 + 1) * size] })
    }
    values.forward(kept, pass, into: projected)
    gatherRows(pass.parameters.view(learned), input.learned.map { max($0, 0) }, into: sum)
    for (i, row) in given.enumerated() { sum.rows(row..<row + 1).copy(from: projected.rows(i..<i + 1)) }
  }

  /// `d` holds the gradient of the output and is used up; `drows`, if given, receives the gradient of the rows read.
  /// - Parameter embedded: forward read `embedded`: its gradient is what `d` holds in the end, and tokens have none.
  public func backward(
    _ input: SequenceInput, d: TensorView, _ pass: Pass, _ s: Saved, drows: TensorView? = nil, embedded: Bool = false
  ) {
    pass.drop(d, rate: dropout, input, site: 1)
    norm?.backward(x: s.sum.first(input.rows), dy: d, statistics: s.statistics, pass, in: denseGroup, into: d)
    let given = input.givenRows
    if let values {
      let dy = given.map { s.given.first($0.count) } ?? d
      if let given { gatherRows(d, at: given, into: dy) }
      values.backward(x: s.values.first(dy.rows), dy: dy, pass, in: denseGroup, into: drows)
    }
    if !denseGroup.isEmpty { pass.gradients.add(denseGroup) }
    func scatter(_ entry: Int?, _ ids: @autoclosure () -> [Int32]) {
      guard let entry else { return }
      let rows = scatterRows(ids(), dy: d, into: s.scattered)
      pass.gradients.addRows(rows, s.scattered.first(rows.count), of: entry)
    }
    scatter(type, [Int32](repeating: 0, count: input.rows))
    if let learned { scatterLearned(input, d, pass, s, learned) }
    if learnsPositions { scatter(position, input.positionIDs) }
    if embedded { return }
    scatter(token, input.tokens)
    if !input.roleIDs.isEmpty { scatter(token, input.roleIDs) }
  }

  private func scatterLearned(
    _ input: SequenceInput, _ d: TensorView, _ pass: Pass, _ s: Saved, _ learned: Int
  ) {
    let replaced = input.replacedRows
    let dy = s.given.first(replaced.count)
    gatherRows(d, at: replaced, into: dy)
    let rows = scatterRows(replaced.map { input.learned[$0] }, dy: dy, into: s.scattered)
    pass.gradients.addRows(rows, s.scattered.first(rows.count), of: learned)
  }
}
