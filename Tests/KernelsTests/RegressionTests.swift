import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

/// Regression and contrastive losses against their definitions in double precision, and their gradients against
/// differences.
struct RegressionTests {
  private let m = 5
  private let k = 7

  private func numbers(_ seed: UInt64) -> [Float] {
    var numbers = SeededNumbers(seed)
    return numbers.normal(m * k)
  }

  /// The definition, term by term.
  private func reference(
    _ kind: RegressionLoss, _ y: [Double], _ t: [Double], _ w: [Double], _ e: [Double]?, beta: Double
  ) -> Double {
    (0..<m).reduce(0.0) { total, row in
      let (a, b) = (y[row * k..<(row + 1) * k].map { $0 }, t[row * k..<(row + 1) * k].map { $0 })
      if kind == .cosine {
        func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return total + w[row] * (1 - zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / norm(a) / norm(b))
      }
      let losses = zip(a, b).map { y, t -> Double in
        let d = abs(y - t)
        switch kind {
        case .l2: return d * d
        case .l1: return d
        default: return d < beta ? 0.5 * d * d / beta : d - 0.5 * beta
        }
      }
      return total + w[row]
        * losses.enumerated().reduce(0) { $0 + $1.element * (e?[row * k + $1.offset] ?? 1 / Double(k)) }
    }
  }

  @Test(arguments: RegressionLoss.allCases, [false, true])
  func lossAndGradient(kind: RegressionLoss, weighted: Bool) {
    guard !(kind == .cosine && weighted) else { return }
    let (y, t, weights): ([Float], [Float], [Float]) = (numbers(1), numbers(2), [1, 0, 2, 0.5, 3])
    var elements = weighted ? numbers(3).map { abs($0) } : []
    if weighted { elements[4] = 0 }
    let arena = Arena(floats: 4096)
    let predicted = arena.matrix(m, k)
    predicted.copy(from: y)
    var targets = RegressionTargets(values: t, weights: weights, elementWeights: elements)
    // What has no weight may be anything.
    if weighted { targets.values[4] = .nan }
    let e = weighted ? elements.map(Double.init) : nil
    func value(_ y: [Double]) -> Double {
      reference(kind, y, t.map(Double.init), weights.map(Double.init), e, beta: 0.6)
    }
    let plain = regressionLoss(kind, predicted, targets, beta: 0.6, scale: 0.25, gradient: false)
    #expect(predicted.array == y)
    var rows = [Double](repeating: 0, count: m)
    let loss = rows.withUnsafeMutableBufferPointer {
      regressionLoss(kind, predicted, targets, beta: 0.6, scale: 0.25, rowLosses: $0.baseAddress)
    }
    #expect(loss == plain && rows.reduce(0, +) == loss)
    #expect(abs(loss - value(y.map(Double.init))) < 1e-12 * max(1, abs(loss)))
    for i in 0..<m * k {
      var (up, down) = (y.map(Double.init), y.map(Double.init))
      up[i] += 1e-6
      down[i] -= 1e-6
      let slope = 0.25 * (value(up) - value(down)) / 2e-6
      #expect(abs(Double(predicted[i]) - slope) < 1e-6, "\(kind) at \(i)")
    }
    withExtendedLifetime(arena) {}
  }

  @Test func aRowOfZerosHasNoDirection() {
    let arena = Arena(floats: 256)
    let y = arena.matrix(1, 4)
    y.fill(0)
    let loss = regressionLoss(.cosine, y, RegressionTargets(values: [1, 2, 3, 4], weights: [1]), scale: 1)
    #expect(loss == 1 && y.array == [0, 0, 0, 0])
    withExtendedLifetime(arena) {}
  }

  @Test(arguments: [false, true]) func contrastive(masked: Bool) {
    let (queries, keys, d) = (4, 6, 3)
    var numbers = SeededNumbers(8)
    let (q, kv) = (numbers.normal(queries * d), numbers.normal(keys * d))
    let (positives, weights): ([Int32], [Float]) = ([0, 2, 5, 1], [1, 2, 0, 0.5])
    let candidates = masked ? (0..<queries * keys).map { $0 % 3 != 1 } : []
    func value(_ q: [Double], _ k: [Double]) -> Double {
      (0..<queries).reduce(0.0) { total, i in
        let s = (0..<keys).map { j in (0..<d).reduce(0.0) { $0 + q[i * d + $1] * k[j * d + $1] } / 0.5 }
        let open = (0..<keys).filter { candidates.isEmpty || candidates[i * keys + $0] || $0 == Int(positives[i]) }
        return total + Double(weights[i])
          * (Foundation.log(open.reduce(0.0) { $0 + Foundation.exp(s[$1]) }) - s[Int(positives[i])])
      }
    }
    let arena = Arena(floats: 1 << 14)
    let (x, y) = (arena.matrix(queries, d), arena.matrix(keys, d))
    x.copy(from: q)
    y.copy(from: kv)
    let scratch = ContrastiveScratch(queries: queries, keys: keys, size: d, arena)
    let targets = ContrastiveTargets(positives: positives, weights: weights, isCandidate: candidates)
    let plain = contrastiveLoss(
      queries: x, keys: y, targets, temperature: 0.5, scale: 2, scratch: scratch, gradient: false)
    #expect(x.array == q && y.array == kv)
    let loss = contrastiveLoss(queries: x, keys: y, targets, temperature: 0.5, scale: 2, scratch: scratch)
    #expect(loss == plain)
    let (qd, kd) = (q.map(Double.init), kv.map(Double.init))
    #expect(abs(loss - value(qd, kd)) < 1e-5)
    for i in 0..<queries * d {
      var (up, down) = (qd, qd)
      up[i] += 1e-6
      down[i] -= 1e-6
      #expect(abs(Double(x[i]) - 2 * (value(up, kd) - value(down, kd)) / 2e-6) < 1e-4)
    }
    for i in 0..<keys * d {
      var (up, down) = (kd, kd)
      up[i] += 1e-6
      down[i] -= 1e-6
      #expect(abs(Double(y[i]) - 2 * (value(qd, up) - value(qd, down)) / 2e-6) < 1e-4)
    }
    withExtendedLifetime(arena) {}
  }

  @Test func normalizedRows() {
    let arena = Arena(floats: 1024)
    let (x, y, norms, d) = (arena.matrix(2, 3), arena.matrix(2, 3), arena.matrix(2, 1), arena.matrix(2, 3))
    x.copy(from: [3, 0, 4, 0, 0, 0])
    normalizeRows(x, into: y, norms: norms)
    #expect(y.array == [0.6, 0, 0.8, 0, 0, 0] && norms.array == [5, 0])
    d.copy(from: [1, 2, 3, 4, 5, 6])
    normalizeRowsBackward(y: y, dy: d, norms: norms, into: d)
    let expected: [Float] = [(1 - 0.6 * 3) / 5, 2 / 5, (3 - 0.8 * 3) / 5, 0, 0, 0]
    #expect(zip(d.array, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    withExtendedLifetime(arena) {}
  }
}
