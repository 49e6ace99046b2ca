import Glibc
import Kernels
import Tensors
import Testing

/// The softmax of cosines and what is made of its rows, against numbers worked out by hand. Gradients are held against
/// plain formulas by the conformance of the objectives that use them.
@Suite struct CosineSoftmaxTests {
  @Test func probabilitiesOfKnownAngles() {
    // Cosines of (2, 0) with (3, 0), (0, 1) and (0, 0): 1, 0 and 0.
    let (arena, (q, k, softmax)) = Arena.sized { arena in
      (arena.matrix(1, 2), arena.matrix(3, 2), CosineSoftmax(queries: 3, keys: 3, size: 2, arena))
    }
    withExtendedLifetime(arena) {
      q.copy(from: [2, 0])
      k.copy(from: [3, 0, 0, 1, 0, 0])
      let p = softmax.forward(q, k, temperature: 0.5)
      let wanted = [exp(2.0), 1, 1].map { $0 / (exp(2.0) + 2) }
      for (a, b) in zip(p.array, wanted) { #expect(abs(Double(a) - b) < 1e-6) }
      let entropy = -wanted.reduce(0) { $0 + $1 * log($1) }
      #expect(abs(rowEntropies(p, unit: log(3))[0] - entropy / log(3)) < 1e-6)
      // Without itself a row compares with the two others.
      let alone = softmax.forward(k, k, temperature: 0.5, skipsSelf: true)
      #expect(alone.array == [0, 0.5, 0.5, 0.5, 0, 0.5, 0.5, 0.5, 0])
      #expect(rowDivergences(alone, from: alone, factor: 1) == [0, 0, 0] && alone.array.allSatisfy { $0 == 0 })
    }
  }

  @Test func divergenceOfTwoRows() {
    let (arena, (p, t)) = Arena.sized { ($0.matrix(1, 2), $0.matrix(1, 2)) }
    withExtendedLifetime(arena) {
      p.copy(from: [0.25, 0.75])
      t.copy(from: [0.5, 0.5])
      // ½ ln 2 + ½ ln ⅔, and p - t.
      #expect(abs(rowDivergences(p, from: t, factor: 2)[0] - 0.5 * log(4.0 / 3)) < 1e-12)
      #expect(p.array == [-0.5, 0.5])
    }
  }
}
