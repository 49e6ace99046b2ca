import Core
@testable import Data
import DataSupport
import Testing

@Suite struct PermutationTests {
  @Test func everyElementComesOnce() {
    for count in 1...2000 {
      let permutation = KeyedPermutation(count: count, seed: 3, epoch: UInt64(count % 5))
      var seen = [Bool](repeating: false, count: count)
      for index in 0..<count { seen[permutation[index]] = true }
      #expect(!seen.contains(false), "count \(count)")
    }
  }

  @Test(arguments: [(1 << 20) + 7, 1 << 33, (1 << 40) - 1, 1 << 40, (1 << 61) + 5])
  func largeCountsHaveNoCollisions(_ count: Int) {
    let permutation = KeyedPermutation(count: count, seed: 11, epoch: 2)
    let generator = CounterGenerator(seed: 5, purpose: .evaluation)
    let indices = Set((0..<5000).map { generator.below(count, $0) } + [0, count - 1])
    let images = Set(indices.map { permutation[$0] })
    #expect(images.count == indices.count && images.allSatisfy { (0..<count).contains($0) })
    let half = images.filter { $0 < count / 2 }.count
    #expect(abs(half - images.count / 2) < 250, "seven deviations from an even spread")
  }

  @Test func orderDependsOnSeedAndEpoch() {
    func order(_ seed: UInt64, _ epoch: UInt64) -> [Int] {
      let permutation = KeyedPermutation(count: 100, seed: seed, epoch: epoch)
      return (0..<100).map { permutation[$0] }
    }
    #expect(order(1, 0) == order(1, 0))
    #expect(order(1, 0) != order(1, 1))
    #expect(order(1, 0) != order(2, 0))
    #expect(order(1, 0) != Array(0..<100))
  }

  @Test func allOrdersOfThreeOccurEquallyOften() {
    var counts: [[Int]: Int] = [:]
    for epoch in 0..<6000 as Range<UInt64> {
      let permutation = KeyedPermutation(count: 3, seed: 9, epoch: epoch)
      counts[(0..<3).map { permutation[$0] }, default: 0] += 1
    }
    #expect(counts.count == 6)
    #expect(counts.values.allSatisfy { abs($0 - 1000) < 200 }, "seven deviations")
  }
}
