import Collectives
import Core
import Training

extension TrainingRun {
  /// Reports on rank 0 what was repaired.
  func report(_ repaired: [ReplicaFault], _ step: Int) {
    guard !repaired.isEmpty else { return }
    let list =
      repaired.prefix(4).map(\.description).joined(separator: ", ")
      + (repaired.count > 4 ? " and \(repaired.count - 4) more" : "")
    record?.warn(
      "step \(step): \(list) differed from the other replicas and was repaired from the majority; the step was computed again. Test that host's memory."
    )
  }

  /// Replicas differ and no majority shows which is right: everything since the newest checkpoint is dropped, on all
  /// ranks.
  ///
  /// - Returns: the step to resume from.
  /// - Throws: the error itself where the configuration says stop, or where rolling back has not helped: a host that
  ///   fails again and again needs a person.
  func rollBack(after error: ReplicaError) throws -> Int {
    guard trainer.options.divergence == .repair else { throw error }
    try saver.drain()
    // Rank 0 reads all of a checkpoint while the others wait.
    let patience = communicator.stallSeconds
    communicator.stallSeconds = patience.map { 10 * $0 }
    defer { communicator.stallSeconds = patience }
    trainer.sum.restart()
    let step = try load(try record?.recover())
    returns[step, default: 0] += 1
    guard returns[step, default: 0] <= 2 else { throw error }
    trainer.startReplicas()
    record?.warn("\(error.finding) Rolling back to step \(step); test that host's memory.")
    try record?.rollBack(to: step)
    return step
  }
}
