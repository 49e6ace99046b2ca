@testable import Comparison
import Testing

@Suite struct ProgressTests {
  /// A clock that the test moves, and what was said.
  private final class Scene {
    var time = 0.0
    var said: [String] = []

    func progress(isTerminal: Bool) -> ComparisonProgress {
      ComparisonProgress(
        isTerminal: isTerminal, now: { [unowned self] in time }, sink: { [unowned self] in said.append($0) })
    }
  }

  @Test func aLogHasALineAtLeastOnceAMinute() throws {
    let scene = Scene()
    let progress = scene.progress(isTerminal: false)
    progress.beginTraining(runs: 2, work: 200, measures: 3)
    progress.beginRun("ar-1")
    for second in 1...400 {
      scene.time = Double(second)
      progress.step(second, of: 1000, work: 100)
    }
    // A fifth of the work in 400 seconds, two fifths of a run: 1,600 are left.
    #expect(
      scene.said.first
        == "run 1 of 2: ar-1, step 10 of 1000, 0 % of the training; 10 s so far, about 33 min 10 s left, then 3 measures\n"
    )
    #expect((10...14).contains(scene.said.count))
    #expect(abs(try #require(progress.trainingLeft) - 1600) < 1e-6)
    progress.endRun(work: 100)
    progress.beginRun("mlm-1")
    progress.step(500, of: 1000, work: 100)
    #expect(abs(try #require(progress.trainingLeft) - 400 / 3.0) < 1e-6)
  }

  @Test func aTerminalHasOneLineThatIsWrittenOver() {
    let scene = Scene()
    let progress = scene.progress(isTerminal: true)
    progress.beginTraining(runs: 1, work: 10, measures: 0)
    progress.beginRun("ar-1")
    scene.time = 1
    progress.step(1, of: 2, work: 10)
    progress.note("trained ar-1")
    #expect(
      scene.said == [
        "\rrun 1 of 1: ar-1, step 1 of 2; 1.0 s so far, about 1.0 s left\u{1B}[K", "\r\u{1B}[Ktrained ar-1\n",
      ])
  }

  @Test func whatMeasuresTookTellsWhatIsLeft() {
    let scene = Scene()
    let progress = scene.progress(isTerminal: false)
    #expect(progress.trainingLeft == nil && progress.measuringLeft(["probe"]) == nil)
    progress.endMeasure("probe", seconds: 2)
    progress.endMeasure("probe", seconds: 4)
    progress.endMeasure("knn", seconds: 9)
    // A measure that was never taken is expected to take as long as the others on average.
    #expect(progress.measuringLeft(["probe", "knn", "loss"]) == 17.0)
  }
}
