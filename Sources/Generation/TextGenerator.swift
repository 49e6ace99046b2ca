import Core
import Kernels
import Layers
import Models
import Tensors

/// Continues a sequence with a causal model, one token at a time, keys and values cached.
public final class TextGenerator {
  private let model: Transformer
  private let parameters: ParameterStore
  private let workspace: Transformer.Workspace
  private let arena: Arena
  private let caches: [KeyValueCache]

  public init(_ model: Transformer, _ parameters: ParameterStore) {
    self.model = model
    self.parameters = parameters
    let c = model.configuration
    (arena, (workspace, caches)) = Arena.sized { arena in
      (
        Transformer.Workspace(model, samples: 1, length: c.maxPosition, forBackward: false, arena),
        (0..<c.numLayers).map { _ in KeyValueCache(context: c.maxPosition, width: c.hiddenSize, arena) }
      )
    }
  }

  /// Appends up to `count` tokens to `prompt`.
  ///
  /// When the context is full, the last half of it is read again and the text goes on from there.
  /// - Parameters:
  ///   - stop: ends the text when chosen; it is not returned.
  ///   - excluded: ids never chosen.
  ///   - onToken: sees each token as it comes; returning false ends the text; what it throws ends it too.
  public func generate(
    _ prompt: [Int32], count: Int, _ sampler: TokenSampler, stop: Int32?, excluding excluded: Set<Int32>,
    onToken: (Int32) throws -> Bool = { _ in true }
  ) rethrows -> [Int32] {
    precondition(!prompt.isEmpty, "a prompt needs at least one token")
    let context = model.configuration.maxPosition
    var (history, result) = (prompt, [Int32]())
    var logits = read(Array(history.suffix(context)), restart: true)
    while result.count < count {
      let token = sampler.choose(logits, excluding: excluded, index: result.count)
      if token == stop { break }
      result.append(token)
      history.append(token)
      if try !onToken(token) || result.count == count { break }
      let full = caches[0].count + 1 > context
      logits = full ? read(Array(history.suffix(max(context / 2, 1))), restart: true) : read([token], restart: false)
    }
    return result
  }

  /// Reads tokens after those in the cache. - Returns: the logits of the last one, [1, V].
  private func read(_ tokens: [Int32], restart: Bool) -> TensorView {
    if restart { for cache in caches { cache.clear() } }
    let start = caches.first?.count ?? 0
    let pass = Pass(parameters)
    let n = tokens.count
    let input = SequenceInput(
      sampleIDs: [0], length: n, tokens: tokens, positionIDs: (0..<n).map { Int32(start + $0) },
      ranges: AttentionRanges(
        samples: 1, length: n, documentIDs: [Int32](repeating: 0, count: n), causal: true, documentMasking: false))
    let hidden = model.forward(input, pass, caches: caches, workspace)
    guard let head = model.head, let saved = workspace.head else {
      preconditionFailure("generation needs a vocabulary head")
    }
    return head.logits(hidden, rows: [n - 1], pass, saved)
  }
}
