@testable import Metrics
import Synchronization
import Testing

@Suite struct WorkMeterTests {
  private final class Screen: Sendable {
    let now = Mutex(0.0)
    let shown = Mutex<[String]>([])

    func meters(terminal: Bool) -> WorkMeters {
      WorkMeters(isTerminal: terminal, clock: { [self] in now.withLock { $0 } }) { [self] text in
        shown.withLock { $0.append(text) }
      }
    }

    func advance(_ meter: WorkMeter, to seconds: Double) {
      now.withLock { $0 = seconds }
      meter.advance()
    }

    var lines: [String] { shown.withLock { $0 } }
  }

  /// In a log: nothing of short work, then lines at growing intervals of at most a minute, with what is left.
  @Test func linesInALog() {
    let screen = Screen()
    let meter = screen.meters(terminal: false).start("probe", total: 1000, unit: "texts")
    for second in 1...9 { screen.advance(meter, to: Double(second)) }
    #expect(screen.lines == [])
    for second in 10...500 { screen.advance(meter, to: Double(second)) }
    #expect(screen.lines.first == "probe 10/1000 texts 1 %  16 min 30 s left  10 s\n")
    let places = screen.lines.compactMap { Int($0.split(separator: " ")[1].split(separator: "/")[0]) }
    #expect(zip(places, places.dropFirst()).allSatisfy { $1 - $0 <= 60 } && places.count >= 9)
    meter.finish()
    #expect(screen.lines.allSatisfy { $0.hasSuffix("\n") })
  }

  /// On a terminal: a line that is written over, from the first second on, and taken off at the end.
  @Test func aLineOnATerminal() {
    let screen = Screen()
    let meter = screen.meters(terminal: true).start("loss", total: 10, unit: "windows")
    screen.advance(meter, to: 0.5)
    #expect(screen.lines == [])
    screen.advance(meter, to: 2)
    screen.advance(meter, to: 2.1)
    screen.advance(meter, to: 4)
    meter.finish()
    meter.finish()
    #expect(
      screen.lines == [
        "\r[##........] loss 2/10 windows 20 %  8.0 s left  2.0 s\u{1B}[K",
        "\r[####......] loss 4/10 windows 40 %  6.0 s left  4.0 s\u{1B}[K", "\r\u{1B}[K",
      ])
  }
}
