import Foundation
import Kernels
import Tensors
import TestSupport
import Testing

/// The relative loss of scores against its definition in double precision, and its gradient against differences.
@Suite struct PairRankingTests {
  private let values: [Double] = [0.5, 2, 0.5, -1, 3, 0.25, 7]
  private let groups = [0..<4, 4..<5, 5..<7]

  private func definition(_ p: [Double]) -> Double {
    groups.reduce(0) { total, group in
      total
        + group.reduce(0) { sum, i in
          sum
            + group.filter { $0 > i }.reduce(0) { inner, j in
              let label = values[i] == values[j] ? 0.5 : values[i] > values[j] ? 1 : 0
              let z = p[i] - p[j]
              return inner + log(1 + exp(z)) - label * z
            }
        }
    }
  }

  @Test func definitionAndGradient() {
    var numbers = SeededNumbers(4)
    let p = numbers.normal(values.count)
    let (arena, views) = Arena.sized { ($0.matrix(values.count, 1), $0.matrix(6, 1)) }
    withExtendedLifetime(arena) {
      let (scores, scratch) = views
      scores.copy(from: p)
      var rows = [Double](repeating: .nan, count: values.count)
      let loss = rows.withUnsafeMutableBufferPointer {
        pairRankingLoss(
          scores: scores, values: values, groups: groups, scale: 0.5, scratch: scratch, rowLosses: $0.baseAddress)
      }
      let exact = p.map(Double.init)
      #expect(abs(loss - definition(exact)) < 1e-6)
      #expect(abs(rows.reduce(0, +) - loss) < 1e-12 && rows[4] == 0)
      for i in p.indices {
        let (above, below) =
          ([1e-4, -1e-4].map { step in
            var moved = exact
            moved[i] += step
            return definition(moved)
          }).pair
        #expect(abs(Double(scores[i]) - 0.5 * (above - below) / 2e-4) < 1e-6)
      }
    }
  }

  /// Equal scores know nothing, whatever the values, and without a gradient scores stay.
  @Test func equalScoresHaveLossLogTwo() {
    let (arena, views) = Arena.sized { ($0.matrix(values.count, 1), $0.matrix(6, 1)) }
    withExtendedLifetime(arena) {
      views.0.fill(3)
      let loss = pairRankingLoss(
        scores: views.0, values: values, groups: groups, scale: 1, scratch: views.1, gradient: false)
      #expect(abs(loss - 7 * log(2)) < 1e-12)
      #expect(views.0.array == [Float](repeating: 3, count: values.count))
    }
  }
}

extension [Double] {
  fileprivate var pair: (Double, Double) { (self[0], self[1]) }
}
