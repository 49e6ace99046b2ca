@testable import Comparison
@testable import Evaluation
import Foundation
import Testing

@Suite struct StatisticsTests {
  /// Quantiles of printed tables (0.975 one-sided), and two closed forms: ν = 1 is Cauchy, ν = 2 is algebraic.
  @Test(arguments: [(1.0, 12.7062), (2, 4.30265), (4, 2.77645), (9, 2.26216), (30, 2.04227), (1000, 1.96234)])
  func quantiles(freedom: Double, expected: Double) {
    #expect(abs(StudentT.quantile(0.975, freedom: freedom) - expected) < 1e-4)
  }

  @Test func closedForms() {
    for t in [-3.0, -0.5, 0, 0.7, 2, 11] {
      #expect(abs(StudentT.cumulative(t, freedom: 1) - (0.5 + atan(t) / .pi)) < 1e-12)
      #expect(abs(StudentT.cumulative(t, freedom: 2) - (0.5 + t / (2 * (2 + t * t).squareRoot()))) < 1e-12)
    }
  }

  @Test func intervals() throws {
    let interval = try #require(Interval.ofMean([1, 2, 3, 4, 5]))
    #expect(abs(interval.mean - 3) < 1e-12)
    #expect(abs((interval.high - interval.low) / 2 - 2.776445 * (2.5 / 5).squareRoot()) < 1e-4)
    // Two values lie as far apart as chance has it.
    #expect(Interval.ofMean([1]) == nil && Interval.ofMean([1, 2]) == nil && Interval.ofMean([1, 2, .nan]) == nil)
  }

  /// Accuracies near 1 of few seeds: Student's t alone would end at 1.09.
  @Test func intervalsStayInsideWhatAValueCanBe() throws {
    let near = try #require(Interval.ofMean([0.99, 1, 0.9], least: 0, most: 1))
    #expect(near.high == 1 && near.low > 0.8 && near.low < 0.85)
    let far = try #require(Interval.ofMean([0.01, 0.2, 0], least: 0, most: 1))
    #expect(far.low == 0 && far.high > 0.3)
    let same = try #require(Interval.ofMean([1, 1, 1], least: 0, most: 1))
    #expect(same.low == 1 && same.high == 1)
    let difference = PairedDifference(
      measure: "m", value: "v", arm: "a", reference: "b", differences: [0.9, -0.9, 1], seeds: [1, 2, 3],
      better: .higher, span: 1)
    #expect(difference.interval?.low == -1 && difference.interval?.high == 1)
  }

  private func difference(_ values: [Double], _ better: MeasuredValue.Better) -> PairedDifference {
    PairedDifference(
      measure: "m", value: "v", arm: "a", reference: "b", differences: values, seeds: Array(1...values.count),
      better: better)
  }

  @Test func verdicts() {
    #expect(difference([-1, -1.1, -0.9, -1.2, -0.8], .lower).verdict == .better)
    #expect(difference([-1, -1.1, -0.9, -1.2, -0.8], .higher).verdict == .worse)
    #expect(difference([1, 1.1, 0.9], .higher).verdict == .better)
    // All of one sign, and still not resolved.
    let open = difference([0.1, 2, 0.2], .higher)
    #expect(open.verdict == .notResolved && open.sameSign == 3)
    #expect(difference([5], .higher).verdict == .tooFewSeeds && difference([5, 5.1], .higher).verdict == .tooFewSeeds)
    #expect(difference([5, 5.1], .higher).interval == nil)
    #expect(difference([-1, 2, 3], .higher).sameSign == 2)
  }

  /// The interval of the paired bootstrap is that of the mean difference: differences of known spread.
  @Test func bootstrap() throws {
    let n = 400
    let counts = [Double](repeating: 2, count: n)
    let reference = (0..<n).map { Double($0 % 17) }
    let arm = (0..<n).map { reference[$0] + ($0 % 2 == 0 ? 1.5 : -0.5) }
    let pair = (
      arm: MeasuredValue.Items(sums: arm, counts: counts),
      reference: MeasuredValue.Items(sums: reference, counts: counts)
    )
    let interval = try #require(bootstrapOverItems([pair, pair]))
    // Differences of 1.5 and −0.5 in equal parts: mean 0.5, deviation 1; over counts of 2 the mean is 0.25, its error
    // 0.025.
    #expect(abs(interval.mean - 0.25) < 1e-12)
    #expect(abs(interval.low - (0.25 - 1.96 * 0.025)) < 0.006 && abs(interval.high - (0.25 + 1.96 * 0.025)) < 0.006)
    let other = (
      arm: pair.arm, reference: MeasuredValue.Items(sums: reference, counts: [Double](repeating: 3, count: n))
    )
    #expect(bootstrapOverItems([other]) == nil)
  }

  @Test func numbersForPeople() {
    #expect(
      number(0.123456) == "0.1235" && number(12) == "12" && number(1_234_567) == "1.23 M" && number(-0.5) == "-0.5")
    #expect(escaped("<a href=\"x\">&") == "&lt;a href=&quot;x&quot;&gt;&amp;")
    #expect(escaped("it's\u{1}\u{7F}é漢") == "it&#39;s\u{FFFD}\u{FFFD}é漢")
  }

  @Test func noRankHasMuchMoreToDoThanAnother() {
    // Two cheap arms, one expensive one, five seeds: round-robin would give one rank all the expensive ones.
    let costs = (0..<15).map { $0 % 3 == 0 ? 10.0 : 5.0 }
    for ranks in 1...4 {
      let share = scheduleByCost(costs, over: ranks)
      let loads = (0..<ranks).map { rank in zip(costs, share).filter { $0.1 == rank }.reduce(0) { $0 + $1.0 } }
      #expect((loads.max() ?? 0) - (loads.min() ?? 0) <= 5)
      #expect(Set(share) == Set(0..<ranks))
    }
    #expect(scheduleByCost([1, 1, 1], over: 2) == [0, 1, 0])
    #expect(scheduleByCost([], over: 3) == [])
  }
}
