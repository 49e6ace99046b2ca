import Foundation
@testable import Metrics
import Testing

@Suite struct EventWriterTests {
  @Test func theCheckHasItsPublishedValues() {
    #expect(CRC32C.of(Array("123456789".utf8)) == 0xE306_9283)
    #expect(CRC32C.of([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.of([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.of(Array(UInt8(0)..<32)) == 0x46DD_794E)
    #expect(CRC32C.of([]) == 0)
  }

  @Test func aFileBeginsWithTheseBytes() throws {
    // Recorded from the `tensorboard` package, 2.21, for wall time 1.5.
    let expected: [UInt8] = [
      24, 0, 0, 0, 0, 0, 0, 0, 163, 127, 75, 34, 9, 0, 0, 0, 0, 0, 0, 248, 63, 26, 13, 98, 114, 97, 105, 110, 46, 69,
      118, 101, 110, 116, 58, 50, 42, 40, 100,
      108,
    ]
    #expect(EventMessage.framed(EventMessage.version(wallTime: 1.5)) == expected)
  }

  @Test func scalarsAreTheseBytes() {
    let event = EventMessage.scalars([Named("a", 1.5), Named("b", -2)], wallTime: 1.5, step: 300)
    #expect(
      event == [
        9, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F, 16, 0xAC, 2, 42, 20, 10, 8, 10, 1, 0x61, 21, 0, 0, 0xC0, 0x3F, 10, 8, 10, 1,
        0x62, 21, 0, 0, 0, 0xC0,
      ])
  }

  private func names(_ scratch: Scratch) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted()
  }
  private func size(_ path: String) throws -> Int { try Data(contentsOf: URL(fileURLWithPath: path)).count }

  @Test func everyStartTakesUpTheHistoryAndLeavesOneFile() throws {
    let scratch = try Scratch()
    _ = try EventWriter(folder: scratch.path, host: "node", wallTime: 1_700_000_000.9, resumedStep: 0)
    let name = "events.out.tfevents.1700000000.node.lockstep"
    #expect(try names(scratch) == [name] && size(scratch.path + "/" + name) == 40)
    for _ in 0..<5 {
      _ = try EventWriter(
        folder: scratch.path, host: "node", wallTime: 1_700_000_000.9, resumedStep: 5, history: [record(5)])
    }
    #expect(try names(scratch).count == 1)
    let event = EventMessage.framed(
      EventMessage.scalars(EventWriter.scalars(of: record(5)), wallTime: record(5).wallTime, step: 5))
    #expect(try size(scratch.path + "/" + names(scratch)[0]) == 40 + 16 + 9 + 2 + 4 + event.count)
  }

  /// A start that died before its first checkpoint: its points are not of this run any more.
  @Test func aStartFromTheBeginningForgetsThePointsBefore() throws {
    let scratch = try Scratch()
    let dead = try EventWriter(folder: scratch.path, host: "node", wallTime: 1_700_000_000, resumedStep: 0)
    for step in 1...3 { try dead.append(record(step)) }
    // Another program's file stays, and what it has of these steps is dropped by those who read it.
    let other = scratch.path + "/events.out.tfevents.1600000000.node.1234.0"
    _ = FileManager.default.createFile(atPath: other, contents: Data([1]))
    let again = try EventWriter(folder: scratch.path, host: "node", wallTime: 1_700_000_100, resumedStep: 0)
    #expect(try names(scratch) == [other, again.path].map { ($0 as NSString).lastPathComponent })
    #expect(try size(again.path) == 40 + 16 + 9 + 2 + 4)
  }

  @Test func withoutAHistoryTheFilesOfEarlierStartsStay() throws {
    let scratch = try Scratch()
    for seconds in [1_700_000_000.0, 1_700_000_100] {
      _ = try EventWriter(folder: scratch.path, host: "node", wallTime: seconds, resumedStep: 5)
    }
    #expect(try names(scratch).count == 2)
  }

  @Test func aLinkUnderTheNameIsNotFollowed() throws {
    let scratch = try Scratch()
    let target = scratch.path + "/target"
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path + "/events.out.tfevents.1700000000.node.lockstep", withDestinationPath: target)
    _ = try EventWriter(folder: scratch.path, host: "node", wallTime: 1_700_000_000, resumedStep: 0)
    #expect(!FileManager.default.fileExists(atPath: target))
  }

  @Test func termsAreShownWhenThereAreSeveral() {
    #expect(
      EventWriter.scalars(of: record(1, validation: 0.5)).map(\.name) == [
        "loss/training", "loss/validation", "term/mlm", "term/alignment", "training/epoch", "training/learning_rate",
        "training/gradient_norm",
        "speed/tokens_per_second", "speed/step_seconds", "speed/communication_seconds",
        "speed/exposed_communication_seconds", "speed/data_wait_seconds", "speed/mfu",
        "seconds/data", "seconds/forward",
      ])
  }

  /// `LOCKSTEP_TENSORBOARD_PYTHON=<python with tensorboard>` lets the reference itself read a run and its resume;
  /// `scripts/check-references` sets it.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["LOCKSTEP_TENSORBOARD_PYTHON"] != nil))
  func tensorBoardReadsARunAndItsResume() throws {
    let scratch = try Scratch()
    let first = try EventWriter(folder: scratch.path, host: "node", wallTime: 1_700_000_000, resumedStep: 0)
    try first.appendText("configuration", markdown: "    seed = 1", wallTime: 1_700_000_000)
    for step in 1...6 { try first.append(record(step)) }
    let second = try EventWriter(folder: scratch.path, host: "node", wallTime: 1_700_000_100, resumedStep: 4)
    for step in 5...8 {
      var replayed = record(step)
      replayed.loss = 100
      try second.append(replayed)
    }
    let script = """
      import sys
      from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
      events = EventAccumulator(sys.argv[1])
      events.Reload()
      print([(e.step, round(e.value, 4)) for e in events.Scalars("loss/training")])
      print([(e.step, round(e.value, 6)) for e in events.Scalars("training/learning_rate")][:1])
      print(events.Tags()["tensors"], events.Tensors("configuration/text_summary" if "configuration/text_summary" in events.Tags()["tensors"] else "configuration")[0].tensor_proto.string_val)
      """
    let (process, pipe) = (Process(), Pipe())
    process.executableURL = URL(
      fileURLWithPath: ProcessInfo.processInfo.environment["LOCKSTEP_TENSORBOARD_PYTHON"] ?? "")
    process.arguments = ["-c", script, scratch.path]
    process.standardOutput = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(
      output == """
        [(1, 0.3), (2, 0.3), (3, 0.3), (4, 0.3), (5, 100.0), (6, 100.0), (7, 100.0), (8, 100.0)]
        [(1, 0.0003)]
        ['configuration'] [b'    seed = 1']

        """)
  }
}
