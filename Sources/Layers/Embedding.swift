import Core
import Kernels
import Tensors

/// The input layer of a transformer: embeds tokens or projects values to rows of width C, adds positions and token
/// types, then applies BERT's norm (post-norm models) and dropout.
///
/// *Concretely:* `x = E_token[id] (or values · W + b) + E_position[p] + E_type[0]`, in rows of `resolvedEmbeddingSize`.
/// The gradients of this layer complete last, so its parameters are at the end of the layout.
public struct InputEmbedding: Sendable {
  public let token: Int?
  public let values: Linear?
  public let position: Int?
  public let type: Int?
  public let norm: Norm?
  public let dropout: Float
  public let group: Range<Int>
  /// The entries handed over as one dense gradient (value projection and norm).
  private let denseGroup: Range<Int>

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
    position = table("position", c.positionEmbedding == .learned ? c.maxPosition : 0, uses: readers)
    token = table("token", c.inputSize > 0 ? 0 : c.vocabSize, uses: readers + tiedHeads)
    group = start..<layout.entries.count
  }

  public struct Saved {
    /// The sum before the norm; the output itself for pre-norm models.
    let sum: TensorView, statistics: TensorView, values: TensorView, scattered: TensorView

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      sum = arena.matrix(c.normPlacement == .post ? rows : 0, c.resolvedEmbeddingSize)
      statistics = arena.matrix(c.normPlacement == .post ? rows : 0, 2)
      values = arena.matrix(rows, c.inputSize)
      scattered = arena.matrix(rows, c.resolvedEmbeddingSize)
    }
  }

  /// - Parameters:
  ///   - rows: [n, inputSize], read in place of the input's values: the output of another network.
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
      let kept = s.values.first(input.rows)
      if let rows { kept.copy(from: rows) } else { kept.copy(from: input.values) }
      values.forward(s.values.first(input.rows), pass, into: sum)
    }
    if let position { gatherRows(pass.parameters.view(position), input.positionIDs, into: sum, accumulate: true) }
    if let type {
      gatherRows(pass.parameters.view(type), [Int32](repeating: 0, count: input.rows), into: sum, accumulate: true)
    }
    norm?.forward(sum, pass, into: x, statistics: s.statistics)
    pass.drop(x, rate: dropout, input, site: 1)
  }

  /// `d` holds the gradient of the output and is used up; `drows`, if given, receives the gradient of the rows read.
  /// - Parameter embedded: forward read `embedded`: its gradient is what `d` holds in the end, and tokens have none.
  public func backward(
    _ input: SequenceInput, d: TensorView, _ pass: Pass, _ s: Saved, drows: TensorView? = nil, embedded: Bool = false
  ) {
    pass.drop(d, rate: dropout, input, site: 1)
    norm?.backward(x: s.sum.first(input.rows), dy: d, statistics: s.statistics, pass, in: denseGroup, into: d)
    values?.backward(x: s.values.first(input.rows), dy: d, pass, in: denseGroup, into: drows)
    if !denseGroup.isEmpty { pass.gradients.add(denseGroup) }
    func scatter(_ entry: Int?, _ ids: @autoclosure () -> [Int32]) {
      guard let entry else { return }
      let rows = scatterRows(ids(), dy: d, into: s.scattered)
      pass.gradients.addRows(rows, s.scattered.first(rows.count), of: entry)
    }
    scatter(type, [Int32](repeating: 0, count: input.rows))
    scatter(position, input.positionIDs)
    if embedded { return }
    scatter(token, input.tokens)
    if !input.roleIDs.isEmpty { scatter(token, input.roleIDs) }
  }
}
