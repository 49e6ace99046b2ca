import Core
import Glibc
import Kernels
import Layers
import Models
import Tensors

/// Candidates for one masked position.
public struct FilledMask: Codable, Sendable {
  public struct Candidate: Codable, Sendable {
    public let id: Int32
    public let probability: Double
  }
  /// Index of the masked token in the input.
  public let position: Int
  /// By falling probability.
  public let candidates: [Candidate]
}

/// Predicts the tokens of [MASK] with a bidirectional model.
public struct MaskFiller {
  private let model: Transformer
  private let parameters: ParameterStore

  public init(_ model: Transformer, _ parameters: ParameterStore) {
    (self.model, self.parameters) = (model, parameters)
  }

  /// The `top` most likely tokens for each `mask` in `tokens`, their probabilities among all rows of the model.
  /// - Parameter vocabulary: number of tokens; rows beyond stand for none and are not proposed.
  /// - Throws: `DataError` when there is no mask, or the text is longer than the context.
  public func fill(_ tokens: [Int32], mask: Int32, top: Int, vocabulary: Int) throws(DataError) -> [FilledMask] {
    let context = model.configuration.maxPosition
    let masked = tokens.indices.filter { tokens[$0] == mask }
    guard !masked.isEmpty else {
      throw DataError("the text", "has no [MASK] to fill.", remedy: "Write [MASK] where a token is to be predicted.")
    }
    guard tokens.count <= context else {
      throw DataError("the text", "has \(tokens.count) tokens, the model reads \(context).", remedy: "Shorten it.")
    }
    let (arena, workspace) = Arena.sized {
      Transformer.Workspace(model, samples: 1, length: tokens.count, forBackward: false, $0)
    }
    defer { withExtendedLifetime(arena) {} }
    let pass = Pass(parameters)
    let input = SequenceInput(
      sampleIDs: [0], length: tokens.count, tokens: tokens,
      ranges: AttentionRanges(
        samples: 1, length: tokens.count, documentIDs: [Int32](repeating: 0, count: tokens.count), causal: false,
        documentMasking: false))
    let hidden = model.forward(input, pass, workspace)
    guard let head = model.head, let saved = workspace.head else {
      preconditionFailure("filling needs a vocabulary head")
    }
    return masked.map { position in
      FilledMask(
        position: position, candidates: candidates(head.logits(hidden, rows: [position], pass, saved), top, vocabulary))
    }
  }

  private func candidates(_ logits: TensorView, _ top: Int, _ vocabulary: Int) -> [FilledMask.Candidate] {
    let ranked = TokenSampler.ranked(logits, excluding: [])
    let peak = Double(ranked.first?.logit ?? 0)
    let total = ranked.reduce(0) { $0 + exp(Double($1.logit) - peak) }
    return ranked.lazy.filter { $0.id < Int32(vocabulary) }.prefix(top).map {
      .init(id: $0.id, probability: exp(Double($0.logit) - peak) / total)
    }
  }
}
