import Collectives
import Core
import Kernels
import Objectives
import Optimizers
import Tensors
import TestSupport
import Training

/// Flips one random bit at a time in the weights or moments of one replica of a run under way: each must be found by
/// the next step at the latest, with the right rank and tensor, and repaired, so that the run ends with the bits of an
/// undisturbed one. Two replicas have no majority: there the step must end on both before anything is updated.
@MainActor func checkFlips() throws {
  guard communicator.size > 1 else { return }
  let count = 100
  let (undisturbed, _) = try train("mlm", steps: 0..<2 * count + 2, threads: 1)
  if communicator.size == 2 { return try checkTwoReplicas() }
  let (_, trainer) = try train("mlm", steps: 0..<1, threads: 1)
  var (found, wrong, random) = (0, [String](), SplitMix(state: 2024))
  for flip in 0..<count {
    let expected = flipOneBit(of: trainer, &random)
    var repaired: [ReplicaFault] = []
    for step in [1 + 2 * flip, 2 + 2 * flip] {
      repaired += try trainer.step(step, try examples(step, trainer)).repaired
    }
    let isRight =
      repaired.contains(expected) && repaired.allSatisfy { $0.rank == expected.rank && $0.tensor == expected.tensor }
    if isRight { found += 1 } else { wrong.append("\(expected): \(repaired)") }
  }
  check(
    found == count,
    "\(found) of \(count) flipped bits in live replicas found with the right rank and tensor \(wrong.prefix(2))")
  _ = try trainer.step(2 * count + 1, try examples(2 * count + 1, trainer))
  let weights = digest(trainer.parameters.trained)
  let moments = digest(trainer.optimizer.firstMoment) + digest(trainer.optimizer.secondMoment)
  check(
    weights == undisturbed.weights && moments == undisturbed.moments,
    "and repaired: the weights and moments are those of an undisturbed run")

  try checkStuckMemory()

  // What is about to be saved is compared as well.
  let expected = flipOneBit(of: trainer, &random)
  check(
    try trainer.verifyReplicas(after: 2 * count + 2).contains(expected), "a flipped bit is found before a checkpoint")
  check(digest(trainer.parameters.trained) == weights, "and repaired before it is saved")
}

/// Memory that does not keep what it is given must end the step instead of repairing it for ever.
@MainActor private func checkStuckMemory() throws {
  let stuck = Watched(communicator)
  let (_, trainer) = try train("ar", steps: 0..<2, threads: 1, over: stuck)
  let view = trainer.parameters.trained.view(4)
  if communicator.rank == communicator.size - 1 { stuck.atEveryPhase = { view[3] = 42 } }
  do {
    _ = try trainer.step(2, try examples(2, trainer))
    check(false, "memory that does not keep its bits ends the step")
  } catch let error as ReplicaError {
    check(
      error.hasMajority && error.faults.allSatisfy { $0.rank == communicator.size - 1 },
      "memory that does not keep its bits ends the step: \(error)")
  }
}

/// The same numbers on every rank.
private struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 1
    return mixed(0, state)
  }
}

/// Flips one bit on one rank; all ranks draw the same numbers. - Returns: what must be found.
@MainActor private func flipOneBit(of trainer: Trainer, _ random: inout SplitMix) -> ReplicaFault {
  func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
  let (state, store) =
    [
      ("weights", trainer.parameters.trained), ("first moment", trainer.optimizer.firstMoment),
      ("second moment", trainer.optimizer.secondMoment),
    ][below(3)]
  let (rank, entry) = (below(communicator.size), store.layout.entries[below(store.layout.entries.count)])
  let (element, bit) = (below(entry.count), below(32))
  if rank == communicator.rank {
    let view = store.view(entry.index)
    view[element] = Float(bitPattern: view[element].bitPattern ^ (1 << UInt32(bit)))
  }
  return ReplicaFault(rank: rank, tensor: entry.name, state: state)
}

@MainActor private func checkTwoReplicas() throws {
  let (_, trainer) = try train("mlm", steps: 0..<3, threads: 1)
  let before = digest(trainer.parameters.trained)
  if communicator.rank == 1 { trainer.parameters.trained.view(5)[3] += 0.25 }
  do {
    _ = try trainer.step(3, try examples(3, trainer))
    check(false, "two replicas that differ stop both")
  } catch let error as ReplicaError {
    let name = trainer.parameters.trained.layout.entries[5].name
    check(
      !error.hasMajority && error.faults.map(\.tensor) == [name] && error.exitCode == .diverged,
      "two replicas that differ stop both: \(error)")
    check(communicator.rank == 1 || digest(trainer.parameters.trained) == before, "and nothing was updated")
  }
}
