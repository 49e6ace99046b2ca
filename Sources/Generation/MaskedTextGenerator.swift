import Core
import Glibc
import Kernels
import Layers
import Models
import Tensors

/// Writes text with a masked model: unknown positions are [MASK], and are filled one pass at a time.
///
/// *Left to right:* the first unknown position is drawn from its distribution, then the next: a sample of the model's
/// left-to-right factorisation. *Confidence:* of all unknown positions the one with the most certain token is filled
/// first (several a pass when `steps` is smaller than the number of tokens).
/// Reference: Chang et al., "MaskGIT", 2022, arXiv 2202.04200, for the order by confidence.
public struct MaskedTextGenerator {
  public enum Order: String, CaseIterable, Sendable {
    case leftToRight = "left-to-right"
    case confidence
  }

  private let model: Transformer
  private let parameters: ParameterStore

  public init(_ model: Transformer, _ parameters: ParameterStore) {
    (self.model, self.parameters) = (model, parameters)
  }

  /// - Parameters:
  ///   - tokens: the text with [MASK] where a token is wanted, framed as in training.
  ///   - passes: forward passes for the order by confidence; 0 for one per token. Pass i of P leaves ⌈N · (1 − i/P)⌉ of
  ///     N positions unknown.
  ///   - excluded: ids never chosen.
  ///   - onPass: sees the text after each pass.
  /// - Returns: the text with every mask filled.
  /// - Throws: `DataError` when there is no mask or the text is longer than the model's context.
  public func fill(
    _ tokens: [Int32], mask: Int32, order: Order, passes: Int = 0, _ sampler: TokenSampler,
    excluding excluded: Set<Int32>,
    onPass: ([Int32]) -> Void = { _ in }
  ) throws(DataError) -> [Int32] {
    let unknown = tokens.indices.filter { tokens[$0] == mask }
    guard !unknown.isEmpty else {
      throw DataError("the text", "has no [MASK] to fill.", remedy: "Write [MASK] where a token is wanted.")
    }
    guard tokens.count <= model.configuration.maxPosition else {
      throw DataError(
        "the text", "has \(tokens.count) tokens, the model reads \(model.configuration.maxPosition).",
        remedy: "Request fewer tokens.")
    }
    let (arena, workspace) = Arena.sized {
      Transformer.Workspace(model, samples: 1, length: tokens.count, forBackward: false, $0)
    }
    defer { withExtendedLifetime(arena) {} }
    let total = order == .confidence && passes > 0 ? min(passes, unknown.count) : unknown.count
    var (text, left, chosen) = (tokens, unknown, 0)
    for pass in 1...total {
      let keep = order == .leftToRight ? left.count - 1 : unknown.count * (total - pass) / total
      let predicted = order == .leftToRight ? [left[0]] : left
      let drawn = draws(text, predicted, workspace, sampler, excluded, first: chosen)
      let best = drawn.sorted { ($1.confidence, $0.position) < ($0.confidence, $1.position) }.prefix(left.count - keep)
      for draw in best { text[draw.position] = draw.token }
      let filled = Set(best.map(\.position))
      left.removeAll { filled.contains($0) }
      chosen += predicted.count
      onPass(text)
    }
    return text
  }

  private struct Draw {
    let position: Int
    let token: Int32
    /// Probability of the token under the model.
    let confidence: Double
  }

  private func draws(
    _ text: [Int32], _ predicted: [Int], _ workspace: Transformer.Workspace, _ sampler: TokenSampler,
    _ excluded: Set<Int32>, first: Int
  ) -> [Draw] {
    guard let head = model.head, let saved = workspace.head else {
      preconditionFailure("generation needs a vocabulary head")
    }
    let pass = Pass(parameters)
    let input = SequenceInput(
      sampleIDs: [0], length: text.count, tokens: text,
      ranges: AttentionRanges(
        samples: 1, length: text.count, documentIDs: [Int32](repeating: 0, count: text.count), causal: false,
        documentMasking: false))
    let hidden = model.forward(input, pass, workspace)
    return predicted.enumerated().map { index, position in
      let logits = head.logits(hidden, rows: [position], pass, saved)
      let token = sampler.choose(logits, excluding: excluded, index: first + index)
      return Draw(position: position, token: token, confidence: probability(of: token, logits, excluded))
    }
  }

  private func probability(of token: Int32, _ logits: TensorView, _ excluded: Set<Int32>) -> Double {
    let peak = (0..<logits.columns).reduce(-Float.infinity) { max($0, logits[0, $1]) }
    let total = (0..<Int32(logits.columns)).reduce(0.0) {
      excluded.contains($1) ? $0 : $0 + exp(Double(logits[0, Int($1)] - peak))
    }
    return exp(Double(logits[0, Int(token)] - peak)) / total
  }
}
