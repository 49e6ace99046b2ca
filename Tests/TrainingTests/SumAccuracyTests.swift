import Collectives
import Core
import Kernels
import Models
import Objectives
import Safetensors
import Tensors
import TestSupport
import Testing

/// How close sums over micro-batches come to sums in double precision, on the gradients of a model whose tokens follow
/// Zipf's law: most rows of its embedding are touched by one micro-batch in many, with small gradients.
@Suite struct SumAccuracyTests {
  /// The head has a matrix of its own: the embedding then gets gradients only where tokens occur.
  private static let model = {
    var model = ModelConfiguration.gpt2(
      vocabSize: 400, maxPosition: 24, hiddenSize: 16, numLayers: 1, numHeads: 2, dropout: 0)
    model.tieWordEmbeddings = false
    return model
  }()
  private static let microBatches = 24

  /// Tokens drawn with probability ∝ 1 / rank.
  private struct Zipf: SampleSource {
    let samplesPerEpoch = 10_000

    func samples(at positions: Range<UInt64>) -> SampleBatch {
      let harmonic = (1...400).reduce(0) { $0 + 1 / Double($1) }
      let tokens = positions.flatMap { position -> [Int32] in
        let random = CounterGenerator(seed: 8, purpose: .order).at(position: position, site: 1)
        return (0..<25).map { i in
          var (rest, token) = (Double(random.uniform(i)) * harmonic, 0)
          while token < 399, rest > 1 / Double(token + 1) {
            rest -= 1 / Double(token + 1)
            token += 1
          }
          return Int32(token)
        }
      }
      return SampleBatch(
        sampleIDs: Array(positions), length: 24, tokens: tokens, documentIDs: [Int32](repeating: 0, count: tokens.count)
      )
    }
  }

  /// The gradient of every micro-batch as floats.
  private func gradients() throws -> (layout: ParameterLayout, parts: [[Float]]) {
    let objective = try Autoregressive(.init(), model: Self.model, vocabulary: Vocabulary(size: 400))
    let parameters = ParameterSet(objective.networks)
    parameters.initialize(seed: 2)
    let layout = objective.networks.trained
    let (arena, workspace) = Arena.sized { objective.workspace(samples: 2, length: 24, $0) }
    defer { withExtendedLifetime(arena) {} }
    let parts = (0..<Self.microBatches).map { index -> [Float] in
      let example = objective.corrupt(
        Zipf().samples(at: UInt64(2 * index)..<UInt64(2 * index + 2)), StepContext(seed: 1, step: 0, steps: 1))
      let sink = RecordingSink(layout)
      _ = objective.lossAndGradient(
        example, ObjectivePass(parameters, sink: sink, dropout: nil), scales: [1 / 1152], workspace)
      return sink.gradients
    }
    return (layout, parts)
  }

  /// The sum of `parts` by a `GradientSum`, in two rounds: the first teaches the exponents, as the step before would.
  private func sum(_ parts: [[Float]], _ layout: ParameterLayout, _ arithmetic: SumArithmetic) -> [Float] {
    var result = [Float](repeating: 0, count: layout.count)
    if arithmetic == .float {
      for part in parts { for i in result.indices { result[i] += part[i] } }
      return result
    }
    for entry in layout.entries {
      let exact = entry.range.map { i in parts.reduce(0.0) { $0 + Double($1[i]) } }
      let largest = exact.map(abs).max() ?? 0
      // Where GradientSum.follow puts it: the largest summed gradient stands in [2⁴¹, 2⁴²).
      let exponent = largest > 0 ? 41 - Int(largest.exponent) : 40
      var integers = [Int64](repeating: 0, count: entry.count)
      for part in parts {
        var piece = Array(part[entry.range])
        piece.withUnsafeMutableBufferPointer { buffer in
          integers.withUnsafeMutableBufferPointer { target in
            guard let base = buffer.baseAddress, let into = target.baseAddress else { return }
            _ = accumulateExactly(
              TensorView(base: base, rows: 1, columns: entry.count),
              scale: Double(sign: .plus, exponent: exponent, significand: 1),
              into: into)
          }
        }
      }
      for (k, i) in entry.range.enumerated() {
        result[i] = Float(Double(integers[k]) * Double(sign: .plus, exponent: -exponent, significand: 1))
      }
    }
    return result
  }

  @Test func exactIsNoWorseThanFloatInNormAndByRow() throws {
    let (layout, parts) = try gradients()
    let (exact, float) = (sum(parts, layout, .exact), sum(parts, layout, .float))
    let reference = (0..<layout.count).map { i in parts.reduce(0.0) { $0 + Double($1[i]) } }
    var rare = 0
    for entry in layout.entries {
      for row in 0..<entry.rows {
        let range = entry.offset + row * entry.columns..<entry.offset + (row + 1) * entry.columns
        func error(_ sum: [Float]) -> Double {
          range.reduce(0) { $0 + (Double(sum[$1]) - reference[$1]) * (Double(sum[$1]) - reference[$1]) }.squareRoot()
        }
        let norm = range.reduce(0) { $0 + reference[$1] * reference[$1] }.squareRoot()
        guard norm > 0 else { continue }
        let touched = parts.filter { part in range.contains { part[$0] != 0 } }.count
        if touched <= 2 { rare += 1 }
        // A row that one micro-batch touched has no rounding in a float sum at all, so half a unit of a float is the
        // measure.
        #expect(
          error(exact) <= max(error(float), norm * 0x1p-24),
          "\(entry.name) row \(row): \(error(exact) / norm), a float sum \(error(float) / norm)")
      }
    }
    #expect(rare > 100, "\(rare) rare rows")
    func total(_ sum: [Float]) -> Double {
      sum.indices.reduce(0) { $0 + (Double(sum[$1]) - reference[$1]) * (Double(sum[$1]) - reference[$1]) }.squareRoot()
    }
    #expect(total(exact) < total(float))
  }
}
