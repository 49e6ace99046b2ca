import Optimizers
import Testing

@Suite struct ScheduleTests {
  private func rates(_ type: LearningRateSchedule.Kind, warmup: Int, steps: Int) -> [Double] {
    let schedule = LearningRateSchedule(type: type, warmupSteps: warmup, minLrFactor: 0.1, decayRatio: 0.25)
    return (0..<steps).map { schedule.rate(step: $0, of: steps, peak: 2) }
  }

  /// Warm-up rises in equal steps and ends on the peak; the first step's rate is not zero.
  @Test(arguments: LearningRateSchedule.Kind.allCases)
  func warmup(type: LearningRateSchedule.Kind) {
    let rates = rates(type, warmup: 4, steps: 13)
    #expect(Array(rates[..<4]) == [0.5, 1, 1.5, 2])
    #expect(rates[4] == 2)
  }

  /// The last step has exactly the final share, and the rate never rises after warm-up.
  @Test(arguments: LearningRateSchedule.Kind.allCases)
  func end(type: LearningRateSchedule.Kind) throws {
    let rates = rates(type, warmup: 3, steps: 20)
    let last = try #require(rates.last)
    #expect(abs(last - (type == .constant ? 2 : 0.2)) < 1e-15)
    #expect(zip(rates.dropFirst(3), rates.dropFirst(4)).allSatisfy { $0 >= $1 - 1e-15 })
  }

  /// Half way: the middle for linear and cosine, the plateau for wsd.
  @Test func middle() {
    #expect(abs(rates(.linear, warmup: 0, steps: 9)[4] - 1.1) < 1e-15)
    #expect(abs(rates(.cosine, warmup: 0, steps: 9)[4] - 1.1) < 1e-15)
    #expect(abs(rates(.cosine, warmup: 0, steps: 9)[2] - (0.2 + 1.8 * 0.5 * (1 + 0.5.squareRoot()))) < 1e-15)
    let stable = rates(.warmupStableDecay, warmup: 0, steps: 9)
    #expect(Array(stable[...6]) == [Double](repeating: 2, count: 7))
    #expect(abs(stable[7] - 1.1) < 1e-15)
  }

  /// Runs too short for their warm-up, and of one step.
  @Test(arguments: LearningRateSchedule.Kind.allCases)
  func corners(type: LearningRateSchedule.Kind) {
    #expect(rates(type, warmup: 0, steps: 1) == [2])
    #expect(rates(type, warmup: 5, steps: 3) == [0.4, 0.8, 1.2])
    #expect(rates(type, warmup: 3, steps: 4)[3] == 2)
    let schedule = LearningRateSchedule(type: type, minLrFactor: 0.1)
    #expect(
      schedule.rate(step: 50, of: 10, peak: 1) == (type == .constant ? 1 : schedule.rate(step: 9, of: 10, peak: 1)))
  }

  /// A run that goes down to 0 reaches it after its last step: no step is without effect.
  @Test(arguments: LearningRateSchedule.Kind.allCases, [0, 3])
  func nothingIsWasted(type: LearningRateSchedule.Kind, warmup: Int) {
    let schedule = LearningRateSchedule(type: type, warmupSteps: warmup, minLrFactor: 0, decayRatio: 0.5)
    for steps in [warmup + 1, warmup + 2, 10, 1000] {
      let rates = (0..<steps).map { schedule.rate(step: $0, of: steps, peak: 2) }
      #expect(rates.allSatisfy { $0 > 0 }, "\(steps)")
      #expect(schedule.rate(step: steps + 5, of: steps, peak: 2) == rates[steps - 1])
    }
    guard type == .linear else { return }
    // As transformers' get_linear_schedule_with_warmup: (steps - step) / (steps - warm-up).
    #expect(
      (warmup..<10).allSatisfy {
        abs(schedule.rate(step: $0, of: 10, peak: 2) - 2 * Double(10 - $0) / Double(10 - warmup)) < 1e-15
      })
  }
}
