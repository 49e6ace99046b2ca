import Core
import Kernels
import Layers
import Objectives
import Tokenizers

/// One micro-batch as the networks see it: what they read at each row, what they predict there, and with what weight.
public struct BatchView: Codable, Sendable {
  public struct Token: Codable, Sendable, Equatable {
    public var id: Int32
    /// A token may be a part of a character; its bytes are then spelt out, as `\xe2`.
    public var text: String

    init(_ id: Int32, _ tokenizer: (any Tokenizer)?) {
      self.id = id
      guard let bytes = tokenizer?.decode([id], skipSpecial: false) else {
        text = "\(id)"
        return
      }
      text =
        String(validating: bytes, as: UTF8.self)
        ?? bytes.map { (0x20..<0x7F).contains($0) ? String(Unicode.Scalar($0)) : "\\x" + String($0, radix: 16) }
        .joined()
    }
  }

  /// What one network or view reads at a row.
  public struct Read: Codable, Sendable, Equatable {
    /// Index into the position embedding, or the angle of rotary positions.
    public var position: Int32
    /// nil where the input is values.
    public var token: Token?
    /// A token whose embedding is added, such as a role.
    public var role: Token?
    public var values: [Float]?
    /// Rows of the sample that this row sees: from the first to before the end, or so many of them by a matrix.
    public var seesFrom: Int32
    public var seesUntil: Int32
    public var seesCount: Int
  }

  /// The target of one term at a row.
  public struct Target: Codable, Sendable, Equatable {
    public var term: Int
    public var token: Token?
    public var values: [Float]?
    /// How far ahead of the row the target lies, where a row may have several.
    public var offset: Int?
    public var weight: Float
  }

  public struct Row: Codable, Sendable, Equatable {
    /// One for each input of the objective, the main network's first; nil where an input does not have this position.
    public var reads: [Read?]
    public var targets: [Target]
    /// The token that a generator of the objective put here, which the main network reads instead.
    public var proposed: Token?
  }

  public struct Sample: Codable, Sendable {
    /// Place in the stream.
    public var position: UInt64
    /// Sample of its epoch.
    public var index: UInt64
    public var rows: [Row]
  }

  public var step: Int
  public var microBatch: Int
  public var microBatchCount: Int
  public var objective: String
  public var terms: [String]
  /// What each term is divided by, over this micro-batch.
  public var counts: [Double]
  public var samples: [Sample]
  /// Σ w·ℓ of each term, where the step's weights were at hand.
  public var losses: [Double]?
  /// Whether a generator draws tokens while the step is computed.
  public var drawsTokens: Bool
  /// Why no proposals are shown.
  public var note: String?

  /// - Parameter proposed: the tokens of the main network's input with proposals in it, [rows]; nil where there are
  ///   none to show.
  init(
    step: Int, microBatch: Int, microBatchCount: Int, _ objective: any Objective, _ clean: SampleBatch,
    _ example: TrainingExample,
    proposed: [Int32]?, _ tokenizer: (any Tokenizer)?
  ) {
    (self.step, self.microBatch, self.microBatchCount) = (step, microBatch, microBatchCount)
    (self.objective, terms, counts) = (type(of: objective).name, objective.terms.map(\.name), example.counts)
    drawsTokens = example.random != nil
    func token(_ id: Int32) -> Token { Token(id, tokenizer) }
    // An encoder of visible positions reads fewer rows than the decoder behind it, whose rows have the targets.
    let length = example.inputs.map(\.length).max() ?? 0
    var perRow = [[Target]](repeating: [], count: clean.count * length)
    for (term, targets) in example.targets.enumerated() {
      let width = targets.rows.isEmpty ? 0 : targets.values.count / targets.rows.count
      for (k, row) in targets.rows.enumerated() {
        perRow[row].append(
          Target(
            term: term, token: targets.ids.isEmpty ? nil : token(targets.ids[k]),
            values: width > 0 ? Array(targets.values[k * width..<(k + 1) * width]) : nil,
            offset: targets.offsets.isEmpty ? nil : targets.offsets[k], weight: targets.weights[k]))
      }
    }
    samples = (0..<clean.count).map { sample in
      let rows = (sample * length..<(sample + 1) * length).map { row in
        let shown = example.inputs[0].tokens
        let other = proposed.flatMap { $0[row] == shown[row] ? nil : token($0[row]) }
        let reads = example.inputs.map { input in input.row(of: row, length).map { input.read($0, token) } }
        return Row(reads: reads, targets: perRow[row], proposed: other)
      }
      return Sample(position: clean.sampleIDs[sample], index: clean.indices[sample], rows: rows)
    }
  }
}

extension SequenceInput {
  /// The row of this input for a row of one with `other` rows per sample.
  fileprivate func row(of row: Int, _ other: Int) -> Int? {
    guard length != other else { return row }
    let (sample, position) = row.quotientAndRemainder(dividingBy: other)
    return (sample * length..<(sample + 1) * length).first { Int(positionIDs[$0]) == position }
  }

  fileprivate func read(_ row: Int, _ token: (Int32) -> BatchView.Token) -> BatchView.Read {
    let (sample, query, width) = (row / length, row % length, values.count / max(rows, 1))
    let (first, end) = (ranges.first[row], ranges.end[row])
    let count = visible.map { matrix in (0..<matrix.keys).count { matrix[sample, query, $0] } } ?? Int(end - first)
    return BatchView.Read(
      position: positionIDs[row], token: tokens.isEmpty ? nil : token(tokens[row]),
      role: roleIDs.isEmpty ? nil : token(roleIDs[row]),
      values: width > 0 ? Array(values[row * width..<(row + 1) * width]) : nil, seesFrom: first, seesUntil: end,
      seesCount: count)
  }
}
