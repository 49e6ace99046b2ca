import Collectives
import Configuration
import Core
import Data
import Foundation
import Objectives
@testable import Runs
import Storage
import Tensors
import Testing
import Training

/// A folder for runs, removed at the end.
private final class Folder: Sendable {
  let path = NSTemporaryDirectory() + "lockstep-teachers-" + UUID().uuidString

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Frozen networks whose weights come from folders: `hybrid-distill` on checkpoints of other objectives.
@Suite(.serialized) struct FrozenTeacherTests {
  private let shape = DataShape(grid: GridShape(channels: 1, extent: [8, 8], patch: [2, 2]), unit: .patches)

  private func run(_ name: String, _ objective: String, _ folder: Folder, hiddenSize: Int = 16, steps: Int = 2)
    throws -> TrainingRun
  {
    let configuration = try RunConfiguration(
      toml: """
        name = "\(name)"
        [data]
        corpus = "made here"
        patch = [2, 2]
        [objective]
        \(objective)
        [model]
        hidden_size = \(hiddenSize)
        num_layers = 2
        num_heads = 2
        [batch]
        samples = 4
        micro_batch = 2
        [duration]
        steps = \(steps)
        [schedule]
        warmup_steps = 1
        [machine]
        runs = "\(folder.path)"
        progress = "none"
        validation_samples = 4
        """, place: "test")
    let source = SyntheticValues(shape, seed: 1, samplesPerEpoch: 16)
    return try TrainingRun(
      configuration, RunInputs(training: source, validation: source, data: shape, tokenizerFiles: [:], dataHash: "d"),
      communicator: SingleRank(), threads: 1, .init())
  }

  @Test(arguments: ["mae", "simmim", "hpm"])
  func teachersOfOtherObjectives(name: String) throws {
    let folder = Folder()
    let objective = "name = \"\(name)\""
    try distill(objective, folder)
    // The other teacher has weights of the seed, and the run goes on without the folder.
    try FileManager.default.removeItem(atPath: folder.path + "/teacher")
    let longer = try run(
      "student", "name = \"hybrid-distill\"\nfeature_teacher = \"\(folder.path)/teacher\"", folder, steps: 3)
    #expect(try longer.execute() == .finished(step: 3))
  }

  /// Trains a teacher, and a student on it; no run outlives the call.
  private func distill(_ objective: String, _ folder: Folder) throws {
    let teacher = try run("teacher", objective, folder)
    #expect(try teacher.execute() == .finished(step: 2))
    let student = try run(
      "student", "name = \"hybrid-distill\"\nfeature_teacher = \"\(folder.path)/teacher\"", folder)
    #expect(try student.execute() == .finished(step: 2))
    let (own, other) = (
      student.trainer.parameters.auxiliary("feature_teacher"), teacher.trainer.parameters.trained
    )
    for entry in own.layout.entries {
      let source = try #require(other.layout.entry(named: entry.name))
      let view = own.view(entry.index)
      #expect(view.array == other.view(source.index).first(view.rows).array, "\(entry.name)")
    }
  }

  @Test func teachersOfAnotherShapeAreRefused() throws {
    let folder = Folder()
    #expect(try run("teacher", "name = \"mae\"", folder, hiddenSize: 24).execute() == .finished(step: 2))
    let error = try #require(throws: (any Error).self) {
      try run(
        "student", "name = \"hybrid-distill\"\nrelation_teacher = \"\(folder.path)/teacher\"", folder
      ).execute()
    }
    #expect("\(error)".contains("hidden_size (24 against 16)"), "\(error)")
  }
}
