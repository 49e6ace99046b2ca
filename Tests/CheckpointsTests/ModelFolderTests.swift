import CheckpointSupport
@testable import Checkpoints
import Core
import Foundation
@testable import Safetensors
import Testing

@Suite("Which checkpoint a run folder means")
struct ModelFolderTests {
  private func run(_ body: (RunFolder) throws -> Void) throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path + "/runs/a")
    try run.prepare()
    for step in [2, 4, 6] { try commit(run, step: step) }
    try body(run)
  }

  private func chosen(_ run: RunFolder, _ choice: CheckpointChoice?) throws -> (step: String, reported: [String]) {
    final class Box { var reported: [String] = [] }
    let box = Box()
    let path = try ModelFolder.resolve(run.path, choice) { box.reported.append($0) }
    return (String(path.suffix(1)), box.reported)
  }

  @Test("the best, else the latest, and it is said which")
  func automatic() throws {
    try run { run in
      let latest = try chosen(run, nil)
      #expect(
        latest.step == "6" && latest.reported == ["using \(run.checkpointPath(step: 6)), the latest of 3 checkpoints"])
      try run.setBest(step: 4)
      let best = try chosen(run, nil)
      #expect(best.step == "4" && best.reported == ["using \(run.checkpointPath(step: 4)), the best of 3 checkpoints"])
    }
  }

  @Test("the requested one, or an error that lists those there are")
  func requested() throws {
    try run { run in
      #expect(throws: DataError.self) { try chosen(run, .best) }
      try run.setBest(step: 4)
      #expect(try chosen(run, .latest).step == "6")
      #expect(try chosen(run, .best).step == "4")
      #expect(try chosen(run, .step(2)).step == "2")
      let error = #expect(throws: CheckpointError.self) { try chosen(run, .step(3)) }
      #expect(error?.description.contains("There are steps 2, 4, 6.") == true)
    }
  }

  @Test("a single checkpoint leaves no choice")
  func single() throws {
    try run { run in
      let path = run.checkpointPath(step: 2)
      let resolved = try ModelFolder.resolve(path) { _ in }
      #expect(resolved == path)
      #expect(throws: ConfigurationError.self) { try ModelFolder.resolve(path, .latest) { _ in } }
    }
  }

  @Test("what a person may write")
  func spelling() {
    #expect(CheckpointChoice("best") == .best && CheckpointChoice("latest") == .latest)
    #expect(CheckpointChoice("40") == .step(40) && CheckpointChoice("step-00000040") == .step(40))
    #expect(CheckpointChoice("-1") == nil && CheckpointChoice("newest") == nil)
  }
}
