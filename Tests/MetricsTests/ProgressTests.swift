import Foundation
@testable import Metrics
import Synchronization
import Testing

@Suite struct ProgressTests {
  private func snapshot(_ step: Int, of total: Int = 1000) -> ProgressSnapshot {
    ProgressSnapshot(
      step: step, totalSteps: total, loss: 3.21449, validationLoss: 3.3001, validationStep: step, learningRate: 3e-4,
      tokensPerS: 12_345, mfu: 0.408,
      elapsedSeconds: 80, remainingSeconds: 587)
  }

  @Test func aLineHasWhatAPersonWantsToSee() {
    #expect(
      ProgressText.line(snapshot(120))
        == "step 120/1000 12 %  9 min 47 s left  loss 3.2145  val 3.3001  lr 3.00e-04  12.3k tok/s  MFU 41 %  1 min 20 s"
    )
    #expect(ProgressText.line(snapshot(1000)).hasPrefix("step 1000/1000 100 %  took 1 min 20 s  loss 3.2145"))
    let bare = ProgressSnapshot(
      step: 0, totalSteps: 0, loss: .nan, learningRate: 0, tokensPerS: 0, mfu: 0.034, elapsedSeconds: 0)
    #expect(ProgressText.line(bare) == "step 0/0 ? %  loss nan  lr 0.00e+00  0 tok/s  MFU 3.4 %  0.0 s")
  }

  @Test func whatIsLeftFollowsThePaceOfThisStart() {
    let at = ProgressSnapshot(record(110), totalSteps: 200, startStep: 100, elapsedSeconds: 20, validation: (1.5, 105))
    #expect(at.remainingSeconds == 180)
    #expect(at.validationLoss == 1.5 && ProgressText.line(at).contains("val@105 1.5000"))
    #expect(ProgressSnapshot(record(100), totalSteps: 200, startStep: 100, elapsedSeconds: 1).remainingSeconds == nil)
    let new = ProgressSnapshot(
      record(110, validation: 1), totalSteps: 200, startStep: 100, elapsedSeconds: 1, validation: (2, 105))
    #expect(new.validationLoss == 1 && ProgressText.line(new).contains("val 1.0000"))
  }

  /// The time that is left stands among the first fields, so 80 columns show it, with both losses.
  @Test func eightyColumnsShowWhatIsLeft() {
    var at = snapshot(400)
    at.validationStep = 250
    let bar = ProgressText.bar(at, width: 79)
    #expect(bar == "[####......] step 400/1000 40 %  9 min 47 s left  loss 3.2145  val@250 3.3001")
    at = snapshot(1_234_567, of: 10_000_000)
    at.remainingSeconds = 200_000
    #expect(ProgressText.bar(at, width: 79).contains("2 d 08 h left"))
  }

  @Test(
    arguments: [
      (0, "0.0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
      (303, "5 min 03 s"), (3599.4, "59 min 59 s"),
      (3599.6, "1 h 00 min"), (3720, "1 h 02 min"), (86_370, "1 d 00 h"), (86_340, "23 h 59 min"),
      (273_600, "3 d 04 h"), (.infinity, "?"), (-1, "?"),
    ] as [(Double, String)])
  func durationsAreReadable(seconds: Double, text: String) { #expect(ProgressText.duration(seconds) == text) }

  @Test(
    arguments: [
      (0, "0"), (950, "950"), (999.6, "1.0k"), (12_345, "12.3k"), (99_960, "100k"), (999_600, "1.00M"),
      (4_560_000, "4.56M"), (.nan, "?"),
    ] as [(Double, String)])
  func ratesAreReadable(value: Double, text: String) { #expect(ProgressText.rate(value) == text) }

  @Test func aBarFillsAndIsCutToTheTerminal() {
    #expect(ProgressText.bar(snapshot(500), width: 300).hasPrefix("[#####.....] step 500/1000 50 %"))
    #expect(ProgressText.bar(snapshot(2000), width: 14) == "[##########] s")
    #expect(ProgressText.bar(snapshot(0, of: 0), width: 12) == "[..........]")
  }

  @Test func onATerminalOneLineIsWrittenOverAndNotesStand() {
    var shown: [String] = []
    let display = ProgressDisplay(mode: .auto, isTerminal: true, width: { 21 }) { shown.append($0) }
    display.show(snapshot(1), now: 0)
    display.show(snapshot(2), now: 0.05)
    display.show(snapshot(3), now: 0.2)
    display.note("careful")
    display.note("again")
    display.show(snapshot(1000), now: 0.21)
    display.finish()
    display.finish()
    #expect(
      shown == [
        "\r[..........] step 1/\u{1B}[K", "\r[..........] step 3/\u{1B}[K", "\r\u{1B}[Kcareful\n", "again\n",
        "\r[##########] step 10\u{1B}[K", "\n",
      ])
  }

  @Test func inALogLinesComeAtGrowingIntervalsOfAtMostAMinute() {
    var steps: [Int] = []
    let display = ProgressDisplay(mode: .auto, isTerminal: false) { line in
      steps.append(Int(line.split(separator: " ")[1].split(separator: "/")[0]) ?? -1)
      #expect(line.hasSuffix("s\n") && line.contains(" left ") && !line.contains("\u{1B}") && !line.contains("\r"))
    }
    for second in 0...900 { display.show(snapshot(second), now: Double(second)) }
    #expect(steps.prefix(4) == [0, 10, 23, 40])
    #expect(
      zip(steps, steps.dropFirst()).allSatisfy { $1 - $0 <= 60 }
        && steps.suffix(2) == [steps[steps.count - 1] - 60, steps[steps.count - 1]])
  }

  /// In a log a validation loss stands in one line; a bar keeps it and says of which step it is.
  @Test func aValidationLossIsNotRepeatedAsIfItWereNew() {
    var lines: [String] = []
    let display = ProgressDisplay(mode: .plain, isTerminal: false) { lines.append($0) }
    for (second, validated) in [(0, nil), (20, 15), (60, 15), (120, 100)] as [(Int, Int?)] {
      var at = snapshot(second)
      (at.validationStep, at.validationLoss) = (validated, validated.map { 3 + Double($0) / 1000 })
      display.show(at, now: Double(second))
    }
    #expect(lines.map { $0.contains("val") } == [false, true, false, true])
    #expect(lines[1].contains("val@15 3.0150") && lines[3].contains("val@100 3.1000"))
  }

  @Test func nothingIsShownWhenNothingIsWanted() {
    var shown = ""
    let display = ProgressDisplay(mode: .none, isTerminal: true) { shown += $0 }
    display.show(snapshot(1000), now: 0)
    display.finish()
    display.remark("an aside")
    #expect(shown == "")
    display.note("a warning")
    #expect(shown == "a warning\n")
  }

  @Test func aWarningIsSaidOnce() async {
    let said = Mutex<[String]>([])
    let warn = WarnOnce { text in said.withLock { $0.append(text) } }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<50 { group.addTask { warn("slow disk") } }
    }
    #expect(warn("3 workers idle", key: "idle"))
    #expect(!warn("4 workers idle", key: "idle"))
    #expect(said.withLock { $0 } == ["slow disk", "3 workers idle"])
  }
}
