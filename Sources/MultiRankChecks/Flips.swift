import Collectives
import Core
import Kernels
import Objectives
import Optimizers
import Tensors
import TestSupport
import Training

/// Flips one random bit at a time in the weights or moments of one replica of a run under way: each must be found by the
/// next step at the latest, with the right rank and tensor, and healed, so that the run ends with the bits of an
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
    var healed: [ReplicaFault] = []
    for step in [1 + 2 * flip, 2 + 2 * flip] { healed += try trainer.step(step, try examples(step, trainer)).healed }
    let isRight = healed.contains(expected) && healed.allSatisfy { $0.rank == expected.rank && $0.tensor == expected.tensor }
    if isRight { found += 1 } else { wrong.append("\(expected): \(healed)") }
  }
  check(found == count, "\(found) of \(count) flipped bits in live replicas found with the right rank and tensor \(wrong.prefix(2))")
  _ = try trainer.step(2 * count + 1, try examples(2 * count + 1, trainer))
  let weights = digest(trainer.bank.trained)
  let moments = digest(trainer.optimizer.firstMoment) + digest(trainer.optimizer.secondMoment)
  check(weights == undisturbed.weights && moments == undisturbed.moments, "and healed: the weights and moments are those of an undisturbed run")

  // What is about to be saved is compared as well.
  let expected = flipOneBit(of: trainer, &random)
  check(try trainer.verifyReplicas(after: 2 * count + 2).contains(expected), "a flipped bit is found before a checkpoint")
  check(digest(trainer.bank.trained) == weights, "and healed before it is saved")
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
      ("weights", trainer.bank.trained), ("first moment", trainer.optimizer.firstMoment), ("second moment", trainer.optimizer.secondMoment),
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
  let before = digest(trainer.bank.trained)
  if communicator.rank == 1 { trainer.bank.trained.view(5)[3] += 0.25 }
  do {
    _ = try trainer.step(3, try examples(3, trainer))
    check(false, "two replicas that differ stop both")
  } catch let error as ReplicaError {
    let name = trainer.bank.trained.layout.entries[5].name
    check(
      !error.hasMajority && error.faults.map(\.tensor) == [name] && error.exitCode == .diverged, "two replicas that differ stop both: \(error)")
    check(communicator.rank == 1 || digest(trainer.bank.trained) == before, "and nothing was updated")
  }
}
