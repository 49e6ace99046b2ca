import Core
import Objectives
import Tensors
import Testing

/// Schedules of moving averages by their numbers, and an average by its recurrence.
struct MomentumTests {
  private func context(_ step: Int, of steps: Int = 100) -> StepContext {
    StepContext(seed: 1, step: step, steps: steps)
  }

  @Test func schedules() {
    func values(_ momentum: Momentum, _ steps: [Int]) -> [Double] {
      steps.map { (momentum.value(context($0)) * 1e9).rounded() / 1e9 }
    }
    #expect(values(.constant(0.99), [0, 50, 100]) == [0.99, 0.99, 0.99])
    #expect(values(.linear(from: 0.9, to: 1), [0, 50, 100]) == [0.9, 0.95, 1])
    // 1 - (1 - 0.9)·(1 + cos πt)/2 at a quarter: (1 + √½)/2 = 0.853553391.
    #expect(values(.cosine(from: 0.9, to: 1), [0, 25, 50, 100]) == [0.9, 0.914644661, 0.95, 1])
    #expect(values(.ramp(from: 0.9, to: 0.98, share: 0.4), [0, 20, 40, 90]) == [0.9, 0.94, 0.98, 0.98])
    #expect(values(.ramp(from: 0.9, to: 0.98, share: 0), [0]) == [0.98])
    // 1 - μ from 0.1 to 0.001 over 40 steps: half way 0.01.
    #expect(
      values(.exponential(from: 0.9, to: 0.999, until: 40), [0, 20, 39, 40, 90])
        == [0.9, 0.99, 1 - 0.001 * 1.122018454, 1, 1].map { ($0 * 1e9).rounded() / 1e9 })
  }

  @Test func whatFollowsThePlan() {
    #expect(
      !Momentum.constant(0.9).followsProgress && !Momentum.exponential(from: 0.5, to: 0.9, until: 3).followsProgress)
    #expect(
      Momentum.linear(from: 0.9, to: 1).followsProgress && Momentum.ramp(from: 0, to: 1, share: 0.1).followsProgress)
  }

  /// Large enough for several slices, which any threads may take.
  @Test func anAverageFollowsItsRecurrence() {
    var layout = ParameterLayout()
    layout.append(ParameterSpec("w", [300, 500], decay: true, .normal(1)))
    layout.append(ParameterSpec("b", [3], decay: false, .ones))
    let networks = NetworkSet(
      trained: layout,
      auxiliaries: [
        .init("average", layout, .movingAverage(.linear(from: 0.5, to: 1))), .init("still", layout, .frozen(nil)),
      ])
    let (parameters, other) = (ParameterSet(networks), ParameterSet(networks))
    for each in [parameters, other] { each.initialize(seed: 3) }
    #expect(parameters.auxiliary("average").all.array == parameters.trained.all.array)
    let still = parameters.auxiliary("still").all.array
    var expected = parameters.trained.view(0).array
    for step in 0..<3 {
      for each in [parameters, other] {
        let all = each.trained.all
        for i in 0..<all.count { all[i] += Float(step) + 1 }
      }
      parameters.afterStep(context(step, of: 4))
      other.afterStep(context(step, of: 4)) { count, body in for index in (0..<count).reversed() { body(index) } }
      let mu = Float(0.5 + 0.5 * Double(step) / 4)
      expected = zip(expected, parameters.trained.view(0).array).map { (mu * $0).addingProduct(1 - mu, $1) }
    }
    let average = parameters.auxiliary("average").view(0).array
    #expect(zip(average, expected).allSatisfy { abs($0 - $1) <= 1e-6 * abs($1) })
    #expect(other.auxiliary("average").all.array == parameters.auxiliary("average").all.array)
    #expect(parameters.auxiliary("still").all.array == still)
  }
}
