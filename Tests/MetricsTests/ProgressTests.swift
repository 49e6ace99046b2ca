import Foundation
import Synchronization
import Testing

@testable import Metrics

@Suite struct ProgressTests {
  private func snapshot(_ step: Int, of total: Int = 1000) -> ProgressSnapshot {
    ProgressSnapshot(
      step: step, totalSteps: total, loss: 3.21449, validationLoss: 3.3001, learningRate: 3e-4, tokensPerSecond: 12_345, mfu: 0.408,
      elapsedSeconds: 80, remainingSeconds: 587)
  }

  @Test func aLineHasWhatAPersonWantsToSee() {
    #expect(
      ProgressText.line(snapshot(120))
        == "step 120/1000 12 %  loss 3.2145  val 3.3001  lr 3.00e-04  12.3k tok/s  MFU 41 %  1 min 20 s, 9 min 47 s left")
    let bare = ProgressSnapshot(step: 0, totalSteps: 0, loss: .nan, learningRate: 0, tokensPerSecond: 0, mfu: 0.034, elapsedSeconds: 0)
    #expect(ProgressText.line(bare) == "step 0/0 ? %  loss nan  lr 0.00e+00  0 tok/s  MFU 3.4 %  0.0 s")
  }

  @Test func whatIsLeftFollowsThePaceOfThisStart() {
    let at = ProgressSnapshot(record(110), totalSteps: 200, startStep: 100, elapsedSeconds: 20, validationLoss: 1.5)
    #expect(at.remainingSeconds == 180)
    #expect(at.validationLoss == 1.5)
    #expect(ProgressSnapshot(record(100), totalSteps: 200, startStep: 100, elapsedSeconds: 1).remainingSeconds == nil)
    #expect(ProgressSnapshot(record(210, validation: 1), totalSteps: 200, startStep: 100, elapsedSeconds: 1, validationLoss: 2).validationLoss == 1)
  }

  @Test(arguments: [
    (0, "0.0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (303, "5 min 03 s"), (3599.4, "59 min 59 s"),
    (3599.6, "1 h 00 min"), (3720, "1 h 02 min"), (86_370, "1 d 00 h"), (86_340, "23 h 59 min"), (273_600, "3 d 04 h"), (.infinity, "?"), (-1, "?"),
  ] as [(Double, String)])
  func durationsAreReadable(seconds: Double, text: String) { #expect(ProgressText.duration(seconds) == text) }

  @Test(arguments: [
    (0, "0"), (950, "950"), (999.6, "1.0k"), (12_345, "12.3k"), (99_960, "100k"), (999_600, "1.00M"), (4_560_000, "4.56M"), (.nan, "?"),
  ] as [(Double, String)])
  func ratesAreReadable(value: Double, text: String) { #expect(ProgressText.rate(value) == text) }

  @Test func aBarFillsAndIsCutToTheTerminal() {
    #expect(ProgressText.bar(snapshot(500), width: 300).hasPrefix("[##########..........] step 500/1000 50 %"))
    #expect(ProgressText.bar(snapshot(2000), width: 24) == "[####################] s")
    #expect(ProgressText.bar(snapshot(0, of: 0), width: 22) == "[....................]")
  }

  @Test func onATerminalOneLineIsWrittenOverAndNotesStand() {
    var shown: [String] = []
    let display = ProgressDisplay(mode: .auto, isTerminal: true, width: { 31 }) { shown.append($0) }
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
        "\r[....................] step 1/\u{1B}[K", "\r[....................] step 3/\u{1B}[K", "\r\u{1B}[Kcareful\n", "again\n",
        "\r[####################] step 10\u{1B}[K", "\n",
      ])
  }

  @Test func inALogLinesComeAtGrowingIntervals() {
    var steps: [Int] = []
    let display = ProgressDisplay(mode: .auto, isTerminal: false) { line in
      steps.append(Int(line.split(separator: " ")[1].split(separator: "/")[0]) ?? -1)
      #expect(line.hasSuffix("left\n") && !line.contains("\u{1B}") && !line.contains("\r"))
    }
    for second in 0...60 { display.show(snapshot(second), now: Double(second)) }
    display.show(snapshot(1000), now: 60.5)
    #expect(steps == [0, 10, 23, 40, 1000])
  }

  @Test func nothingIsShownWhenNothingIsWanted() {
    var shown = ""
    let display = ProgressDisplay(mode: .none, isTerminal: true) { shown += $0 }
    display.show(snapshot(1000), now: 0)
    display.finish()
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
