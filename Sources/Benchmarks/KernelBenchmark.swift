import Collectives
import Core
import Glibc
import Kernels
import Machine
import Tensors

/// What `lockstep benchmark kernels` measures of one kernel.
public struct KernelResult: Codable, Sendable {
  /// What it computes.
  public var kernel: String
  /// Sizes of its operands.
  public var shape: String
  /// Median seconds of a call.
  public var seconds: Double
  /// GFLOP/s of a product, GB/s of anything else.
  public var rate: Double
  /// Unit of the rate: GFLOP/s or GB/s.
  public var unit: String
  /// What limits it: sgemm, the rate of a large square product, or memcpy of as many bytes.
  public var floor: String
  /// The rate of the floor, in the same unit.
  public var floorRate: Double
}

/// Times the kernels of a training step on one core, each beside the floor of the machine: a square product of 768 for
/// what BLAS computes, memcpy of as many bytes for everything else.
public struct KernelBenchmark {
  /// Rows of activations of a micro-batch.
  public var rows: Int
  /// Positions of a sample.
  public var length: Int
  /// C.
  public var hiddenSize: Int
  /// Attention heads; they divide C.
  public var heads: Int
  public var vocabulary: Int
  /// Seconds to measure each kernel for.
  public var seconds = 0.2

  /// Kernels of a model of this shape.
  public init(rows: Int, length: Int, hiddenSize: Int, heads: Int, vocabulary: Int) {
    (self.rows, self.length, self.hiddenSize) = (rows, length, hiddenSize)
    (self.heads, self.vocabulary) = (heads, vocabulary)
  }

  public func run() -> [KernelResult] {
    withFlushedDenormals {
      BLAS.useOneThread()
      let sgemm = SGEMMBaseline.sgemm(WorkerPool(threads: 1))
      return (products + [attention(backward: false), attention(backward: true)] + elementwise).map {
        measure($0, sgemm: sgemm)
      }
    }
  }

  // MARK: - Measuring

  private enum Work {
    case flops(Double)
    case bytes(Double)
  }

  private struct Case {
    let kernel: String
    let shape: String
    let work: Work
    /// Keeps the operands.
    let arena: Arena
    let call: () -> Void
  }

  private func measure(_ one: Case, sgemm: Double) -> KernelResult {
    let time = time(one.call)
    switch one.work {
    case .flops(let flops):
      return KernelResult(
        kernel: one.kernel, shape: one.shape, seconds: time, rate: flops / time / 1e9, unit: "GFLOP/s", floor: "sgemm",
        floorRate: sgemm / 1e9)
    case .bytes(let bytes):
      return KernelResult(
        kernel: one.kernel, shape: one.shape, seconds: time, rate: bytes / time / 1e9, unit: "GB/s", floor: "memcpy",
        floorRate: bytes / copySeconds(Int(bytes)) / 1e9)
    }
  }

  /// The median of calls for about `seconds`, after two that are not counted.
  private func time(_ call: () -> Void) -> Double {
    var times: [Double] = []
    let begin = ContinuousClock.now
    while times.count < 7 || (ContinuousClock.now - begin).inSeconds < seconds {
      let start = ContinuousClock.now
      call()
      times.append((ContinuousClock.now - start).inSeconds)
    }
    let counted = times.dropFirst(2).sorted()
    return counted[counted.count / 2]
  }

  /// Seconds in which memcpy reads half of `bytes` and writes the other half.
  private func copySeconds(_ bytes: Int) -> Double {
    let arena = Arena(floats: bytes / 4 + 64)
    let (from, to) = (arena.matrix(1, bytes / 8), arena.matrix(1, bytes / 8))
    from.fill(1)
    return time { memcpy(to.base, from.base, bytes / 2) }
  }

  // MARK: - Kernels

  private func operands(_ shapes: (Int, Int)...) -> (arena: Arena, matrices: [TensorView]) {
    let (arena, matrices) = Arena.sized { arena in shapes.map { arena.matrix($0.0, $0.1) } }
    let random = CounterGenerator(seed: 1, purpose: .evaluation)
    for (site, matrix) in matrices.enumerated() {
      let r = random.at(position: 0, site: UInt32(site))
      for i in 0..<matrix.count { matrix[i] = r.uniform(i & 0xFFFF) - 0.5 }
    }
    return (arena, matrices)
  }

  private func product(_ m: Int, _ k: Int, _ n: Int, _ name: String, transposeA: Bool = false) -> Case {
    let (arena, x) = operands(transposeA ? (k, m) : (m, k), (k, n), (m, n))
    return Case(
      kernel: name, shape: "[\(m), \(k)] · [\(k), \(n)]", work: .flops(2 * Double(m) * Double(k) * Double(n)),
      arena: arena
    ) { gemm(x[0], x[1], transposeA: transposeA, into: x[2]) }
  }

  private var products: [Case] {
    let (n, c, slice) = (rows, hiddenSize, min(rows, 512))
    return [
      product(n, c, 3 * c, "queries, keys, values"), product(n, c, c, "attention output"),
      product(n, c, 4 * c, "feed-forward up"), product(n, 4 * c, c, "feed-forward down"),
      product(c, n, 4 * c, "gradient of a weight", transposeA: true), product(slice, c, vocabulary, "logits"),
    ]
  }

  private func attention(backward: Bool) -> Case {
    let (samples, c) = (max(rows / length, 1), hiddenSize)
    let n = samples * length
    let scratch = attentionScratch(length: length)
    let (arena, x) = operands(
      (n, 3 * c), (n, c), (n * heads, 2), (n, c), (n, 3 * c), (scratch.rows, scratch.columns))
    let result = AttentionResult(context: x[1], statistics: x[2])
    let ranges = AttentionRanges(
      samples: samples, length: length, documentIDs: [Int32](repeating: 0, count: n), causal: false,
      documentMasking: false)
    let (qkv, dqkv) = (QueryKeyValue(qkv: x[0]), QueryKeyValue(qkv: x[4]))
    func forward() {
      Kernels.attention(qkv, heads: heads, mask: .ranges(ranges), dropout: nil, into: result, scratch: x[5])
    }
    forward()
    return Case(
      kernel: backward ? "attention, backward" : "attention, forward",
      shape: "[\(samples), \(length), \(c)] in \(heads) heads",
      work: .flops((backward ? 10 : 4) * Double(n) * Double(length) * Double(c)), arena: arena
    ) {
      if backward {
        attentionBackward(
          qkv, result, dout: x[3], heads: heads, mask: .ranges(ranges), dropout: nil, into: dqkv, scratch: x[5])
      } else {
        forward()
      }
    }
  }

  private func element(
    _ name: String, _ rows: Int, _ columns: Int, matrices: Int, bytesPerElement: Int,
    _ call: @escaping ([TensorView]) -> Void
  ) -> Case {
    let (arena, x) = Arena.sized { arena in (0..<matrices).map { _ in arena.matrix(rows, columns) } }
    for matrix in x { matrix.fill(0.25) }
    return Case(
      kernel: name, shape: "[\(rows), \(columns)]", work: .bytes(Double(bytesPerElement * rows * columns)), arena: arena
    ) { call(x) }
  }

  private var elementwise: [Case] {
    let (n, c, f, v) = (rows, hiddenSize, 4 * hiddenSize, vocabulary)
    let (weightArena, weights) = operands((1, c), (1, c), (1, c), (1, c), (n, 2), (1, f))
    let slice = min(n, 512)
    let targets = [Int32](repeating: 1, count: slice), ones = [Float](repeating: 1, count: slice)
    let random = CounterGenerator(seed: 1, purpose: .dropout)
    return [
      element("layer norm, forward", n, c, matrices: 2, bytesPerElement: 8) {
        _ = weightArena
        layerNorm($0[0], weight: weights[0], bias: weights[1], epsilon: 1e-5, into: $0[1], statistics: weights[4])
      },
      element("layer norm, backward", n, c, matrices: 3, bytesPerElement: 12) {
        layerNormBackward(
          x: $0[0], dy: $0[1], weight: weights[0], statistics: weights[4], into: $0[2], dweight: weights[2],
          dbias: weights[3])
      },
      element("GELU and its slope", n, f, matrices: 2, bytesPerElement: 12) {
        activate(.geluTanh, $0[0], into: $0[1], keepingSlope: true)
      },
      element("times the slope", n, f, matrices: 2, bytesPerElement: 12) { multiply($0[0], by: $0[1]) },
      element("residual sum", n, c, matrices: 3, bytesPerElement: 12) { add($0[0], $0[1], into: $0[2]) },
      element("bias rows", n, f, matrices: 1, bytesPerElement: 4) { broadcastRow(weights[5], into: $0[0]) },
      element("bias gradient", n, f, matrices: 1, bytesPerElement: 4) { sumRows($0[0], into: weights[5]) },
      element("dropout", n, c, matrices: 1, bytesPerElement: 8) {
        dropout($0[0], rate: 0.1, rowsPerSample: n, sampleIDs: [0], site: 1, random)
      },
      element("softmax cross-entropy", slice, v, matrices: 1, bytesPerElement: 8) {
        _ = softmaxCrossEntropy(logits: $0[0], targets: targets[...], weights: ones[...], scale: 1)
      },
    ] + [exactSum, update, hash]
  }

  /// Elements of the kernels that run over parameters: larger than the caches.
  private var parameters: Int { 1 << 23 }

  private func integers() -> (owner: Arena, values: UnsafeMutablePointer<Int64>) {
    let arena = Arena(floats: 2 * parameters)
    let values = UnsafeMutableRawPointer(arena.matrix(1, 2 * parameters).base).bindMemory(
      to: Int64.self, capacity: parameters)
    values.update(repeating: 0, count: parameters)
    return (arena, values)
  }

  private var exactSum: Case {
    let (owner, sum) = integers()
    return element("exact sum of a gradient", 1, parameters, matrices: 1, bytesPerElement: 20) {
      _ = owner
      _ = accumulateExactly($0[0], scale: 1024, into: sum)
    }
  }

  private var update: Case {
    let (owner, sum) = integers()
    let factors = AdamWFactors(
      learningRate: 1e-6, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, correction1: 0.1, correction2: 0.05, gradientFactor: 1
    )
    let count = parameters
    return element("AdamW with hashes", 1, count, matrices: 3, bytesPerElement: 40) {
      _ = owner
      let slice = AdamWSlice(
        parameters: $0[0].base, firstMoment: $0[1].base, secondMoment: $0[2].base, count: count, decay: 0.1)
      adamWUpdate(slice, exactSum: sum, inverse: 1 / 1024, factors)
    }
  }

  private var hash: Case {
    let count = parameters
    return element("replica hash", 1, count, matrices: 1, bytesPerElement: 4) {
      _ = replicaHash($0[0].base, count: count)
    }
  }
}
