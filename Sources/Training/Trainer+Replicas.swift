import Collectives
import Core

extension Trainer {
  /// The losses of all micro-batches, and whether all replicas are what the others are; both travel in one sum, with
  /// the seconds of this rank's waits, which become their means over ranks. Faulty replicas are repaired from the
  /// majority. Collective.
  ///
  /// - Returns: rows of losses, and what was repaired: the step's sum must then be dropped and computed again.
  /// - Throws: `ReplicaError` on every rank when they differ and cannot or shall not be repaired.
  func compare(_ step: Int, _ waits: inout StepWaits) throws -> ([[Double]], [ReplicaFault]) {
    let mine = waits.values.map { $0 / Double(communicator.size) }
    var more = mine + [Double](repeating: 0, count: communicator.size)
    if let replicas { more[mine.count + communicator.rank] = replicas.digest }
    let rows = try losses.gather(communicator, with: &more)
    waits = StepWaits(more.prefix(mine.count))
    let digests = more.dropFirst(mine.count)
    guard let replicas, digests.contains(where: { $0 != digests.first }) else { return (rows, []) }
    return (rows, try repairOrThrow(replicas, step))
  }

  /// Compares everything as it stands, weights and moments, before it is saved. Collective.
  ///
  /// - Returns: what was repaired. - Throws: as `compare`.
  public func verifyReplicas(after step: Int) throws -> [ReplicaFault] {
    guard let replicas else { return [] }
    communicator.phase = Phase(step: step, "comparing replicas")
    replicas.hashAll(pool)
    defer { replicas.forgetMoments() }
    var digests = [Double](repeating: 0, count: communicator.size)
    digests[communicator.rank] = replicas.digest
    try communicator.allReduce(&digests, .sum)
    return digests.contains { $0 != digests[0] } ? try repairOrThrow(replicas, step) : []
  }

  /// Memory that does not keep what it is given cannot be repaired. - Throws: `ReplicaError` on every rank at the
  /// fourth time in one step.
  func checkRepairs(_ step: Int, _ faults: [ReplicaFault], _ repairs: inout Int) throws {
    repairs += 1
    if repairs > 3 { throw ReplicaError(step: step, faults: faults, hasMajority: true) }
  }

  /// Forgets what is known of moments that have just been read from a checkpoint.
  public func startReplicas() { replicas?.forgetMoments() }

  private func repairOrThrow(_ replicas: ReplicaCheck, _ step: Int) throws -> [ReplicaFault] {
    let disagreements = try replicas.disagreements(communicator)
    let faults = disagreements.flatMap(\.faults)
    let hasMajority = disagreements.allSatisfy { $0.source != nil }
    guard options.divergence == .repair, hasMajority, !faults.isEmpty else {
      throw ReplicaError(step: step, faults: faults, hasMajority: hasMajority)
    }
    guard try replicas.repair(disagreements, communicator) else {
      throw ReplicaError(step: step, faults: faults, hasMajority: false)
    }
    return faults
  }
}
