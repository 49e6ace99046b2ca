import Core
import Foundation
@testable import Metrics
import Storage
import Testing

/// A path in a folder of its own, removed at the end.
public final class Scratch: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "lockstep-metrics-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

func text(of path: String) throws -> String {
  String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
}

func record(_ step: Int, validation: Double? = nil) -> StepRecord {
  StepRecord(
    step: step, epoch: 0.1, tokens: step * 1024, losses: [Named("mlm", 1 / 3), Named("alignment", 2.5)],
    loss: 0.1 + 0.2, validationLoss: validation,
    validationSamples: validation.map { _ in 512 }, learningRate: 3e-4, gradNorm: 1e-7,
    targetCounts: [Named("mlm", 153), Named("alignment", 16.2)], repeats: 1, tokensPerS: 12_345.5, mfu: 0.41,
    stepSeconds: 0.25, seconds: [Named("data", 0.01), Named("forward", 0.1)], communicationSeconds: 0.05,
    exposedCommunicationSeconds: 0.02, dataWaitSeconds: 0.003, wallTime: 1_700_000_000.5)
}

@Suite struct MetricsLogTests {
  @Test func aRecordIsOneLineWithExactNumbers() {
    #expect(
      record(7).json.compact
        == #"{"step":7,"epoch":0.1,"tokens":7168,"loss":0.30000000000000004,"losses":{"mlm":0.3333333333333333,"alignment":2.5},"learning_rate":0.0003,"grad_norm":1e-07,"target_counts":{"mlm":153,"alignment":16.2},"repeats":1,"tokens_per_s":12345.5,"mfu":0.41,"step_seconds":0.25,"seconds":{"data":0.01,"forward":0.1},"communication_seconds":0.05,"exposed_communication_seconds":0.02,"data_wait_seconds":0.003,"wall_time":1700000000.5}"#
    )
  }

  @Test func whatIsLoggedIsReadBackToTheLastBit() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/metrics.jsonl"
    let log = try MetricsLog(path, resumedStep: 0)
    for step in 1...3 { try log.append(record(step, validation: step == 2 ? 0.7 : nil)) }
    #expect(try MetricsLog.records(at: path) == [record(1), record(2, validation: 0.7), record(3)])
  }

  @Test func aNumberThatBrokeIsWrittenAsAText() throws {
    var broken = record(1)
    broken.loss = .nan
    broken.gradNorm = .infinity
    let line = broken.json.compact
    #expect(line.contains(#""loss":"NaN""#) && line.contains(#""grad_norm":"Infinity""#))
    #expect(StepRecord(json: broken.json)?.loss.isNaN == true)
    #expect(StepRecord(json: broken.json)?.gradNorm == .infinity)
    // As logs had it before.
    #expect(
      try StepRecord(json: JSONValue.parse(line.replacingOccurrences(of: "\"NaN\"", with: "null")))?.loss.isNaN == true)
  }

  @Test func aSampleOfALogHasItsEndsAndItsValidations() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/metrics.jsonl"
    #expect(try MetricsLog.sample(at: path, atMost: 10) == [])
    let log = try MetricsLog(path, resumedStep: 0)
    for step in 1...100 { try log.append(record(step, validation: step == 42 ? 0.7 : nil)) }
    let sample = try MetricsLog.sample(at: path, atMost: 10)
    #expect(sample.map(\.step) == [1, 11, 21, 31, 41, 42, 51, 61, 71, 81, 91, 100])
    #expect(sample[5] == record(42, validation: 0.7))
    #expect(try MetricsLog.sample(at: path, atMost: 1000).count == 100)
  }

  @Test func aLinkIsNeitherCutNorAppendedTo() throws {
    let scratch = try Scratch()
    let (path, target) = (scratch.path + "/metrics.jsonl", scratch.path + "/target")
    try "precious".write(toFile: target, atomically: false, encoding: .utf8)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    #expect(throws: FileError.self) { try MetricsLog(path, resumedStep: 0) }
    #expect(try text(of: target) == "precious")
    try FileManager.default.removeItem(atPath: target)
    #expect(throws: FileError.self) { try MetricsLog(path, resumedStep: 0) }
    #expect(!FileManager.default.fileExists(atPath: target))
  }

  @Test func aResumeCutsOffLaterRecordsAndATornLine() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/metrics.jsonl"
    do {
      let log = try MetricsLog(path, resumedStep: 0)
      for step in 1...5 { try log.append(record(step)) }
    }
    let whole = try text(of: path).split(separator: "\n")
    let torn = whole.joined(separator: "\n") + "\n" + whole[0].prefix(40)
    try torn.write(toFile: path, atomically: false, encoding: .utf8)
    let log = try MetricsLog(path, resumedStep: 3)
    #expect(try text(of: path) == whole[0..<3].joined(separator: "\n") + "\n")
    try log.append(record(4))
    #expect(try text(of: path) == whole[0..<4].joined(separator: "\n") + "\n")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["metrics.jsonl"])
  }

  @Test func aTornLineOfAKeptStepIsCutOffToo() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/metrics.jsonl"
    let line = record(1).json.compact
    try (line + "\n" + line.dropLast()).write(toFile: path, atomically: false, encoding: .utf8)
    _ = try MetricsLog(path, resumedStep: 9)
    #expect(try text(of: path) == line + "\n")
  }

  @Test func aNewRunBeginsWithAnEmptyLog() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/metrics.jsonl"
    try MetricsLog(path, resumedStep: 0).append(record(1))
    _ = try MetricsLog(path, resumedStep: 0)
    #expect(try text(of: path) == "")
  }

  @Test func aFolderThatIsNotThereIsAnError() {
    let error = #expect(throws: FileError.self) { try MetricsLog("/nowhere/metrics.jsonl", resumedStep: 0) }
    #expect(error?.description == "cannot open /nowhere/metrics.jsonl: No such file or directory.")
    #expect(error?.exitCode == .inputOutput)
  }

  @Test func aFullDiskIsAnError() throws {
    let scratch = try Scratch()
    let log = try MetricsLog(scratch.path + "/metrics.jsonl", resumedStep: 0)
    let error = #expect(throws: FileError.self) {
      try FileFaults.injecting({ operation, _ in operation == "write" ? ENOSPC : nil }) {
        _ = try log.append(record(1))
      }
    }
    #expect(error?.reason == "No space left on device")
    // A device is no log, whatever it would take.
    #expect(throws: FileError.self) { try MetricsLog("/dev/full", resumedStep: 0) }
  }
}
