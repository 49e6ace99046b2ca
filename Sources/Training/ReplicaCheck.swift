import Collectives
import Core
import Foundation
import Kernels
import Machine
import Objectives
import Optimizers
import Tensors

/// A tensor that one rank holds otherwise than most of the others: a bit flipped in its memory, or it computed wrongly.
public struct ReplicaFault: Sendable, Equatable, CustomStringConvertible {
  public var rank: Int
  /// Name of the parameter.
  public var tensor: String
  /// `weights`, `first moment`, `second moment`, or the name of an auxiliary network.
  public var state: String

  public init(rank: Int, tensor: String, state: String) { (self.rank, self.tensor, self.state) = (rank, tensor, state) }

  public var description: String { "the \(state) of \(tensor) on rank \(rank)" }
}

/// Replicas that cannot be trusted and are not to be repaired here. The same on every rank.
public struct ReplicaError: LockstepError, Equatable {
  public let step: Int
  public let faults: [ReplicaFault]
  /// Whether most ranks agree, so that it is known who is wrong.
  public let hasMajority: Bool

  public var exitCode: ExitCode { .diverged }

  public var description: String {
    "\(finding) Test that host's memory; the newest checkpoint is sound, so start the job again to resume from it."
  }

  /// What was found, without what to do about it.
  public var finding: String {
    let list =
      faults.prefix(4).map(\.description).joined(separator: ", ")
      + (faults.count > 4 ? " and \(faults.count - 4) more" : "")
    let who =
      hasMajority
      ? "a replica differs from the others: \(list)" : "replicas differ and no majority shows which is right: \(list)"
    return "step \(step): \(who). No update was made from it."
  }
}

/// Hashes of everything that all ranks must hold alike, taken where a step reads it anyway, and compared before the
/// step changes anything.
///
/// Weights and auxiliary networks are hashed with the gradient norm, after the step used them and before the update;
/// moments are hashed by the update itself, as it reads them, and compared in the next step. Ranks exchange one number
/// a step; only when these differ do they exchange one for each tensor.
///
/// Invariant: a cell belongs to one slice, and a slice to one thread.
final class ReplicaCheck: @unchecked Sendable {
  // Sendable: slices own disjoint cells, and reading begins when all threads have finished.
  private struct Copy: @unchecked Sendable {
    let name: String
    let store: ParameterStore
    let slices: [UpdateSlice]
    let cells: UnsafeMutableBufferPointer<UInt64>

    init(_ name: String, _ store: ParameterStore) {
      (self.name, self.store) = (name, store)
      slices = UpdateSlice.all(store.layout)
      cells = .allocate(capacity: max(slices.count, 1))
      cells.initialize(repeating: 0)
    }

    func hash(_ slice: Int) {
      let range = slices[slice].range
      cells[slice] = replicaHash(store.memory + range.lowerBound, count: range.count)
    }

    /// One hash per tensor, over its slices in index order.
    var tensorHashes: [UInt64] {
      var hashes = [UInt64](repeating: 0, count: store.layout.entries.count)
      for (index, slice) in slices.enumerated() { hashes[slice.entry] = mixed(hashes[slice.entry], cells[index]) }
      return hashes
    }
  }

  private let weights: Copy
  private let moments: [Copy]
  private let auxiliaries: [Copy]
  /// Slices of the weights that are hashed since the step's backward pass ended.
  private var hashed = 0

  init(_ parameters: ParameterSet, _ optimizer: AdamW) {
    weights = Copy("weights", parameters.trained)
    moments = [Copy("first moment", optimizer.firstMoment), Copy("second moment", optimizer.secondMoment)]
    auxiliaries = parameters.networks.auxiliaries.map { Copy($0.name, parameters.auxiliary($0.name)) }
  }

  deinit { for copy in copies { copy.cells.deallocate() } }

  private var copies: [Copy] { [weights] + moments + auxiliaries }

  // MARK: - Hashing

  /// The next slice of the weights that the step has used, for a moment in which the thread would wait. - Returns:
  /// whether there was one.
  func hashNextWeights() -> Bool {
    guard hashed < weights.slices.count else { return false }
    weights.hash(hashed)
    hashed += 1
    return true
  }

  /// The slices of the weights that no wait was long enough for.
  func hashRemainingWeights(_ pool: WorkerPool) {
    let (first, weights) = (hashed, weights)
    if first < weights.slices.count { pool.forEach(weights.slices.count - first) { weights.hash(first + $0) } }
    hashed = 0
  }

  func note(_ hashes: MomentHashes, slice: Int) {
    moments[0].cells[slice] = hashes.first
    moments[1].cells[slice] = hashes.second
  }

  func hashAuxiliaries(_ pool: WorkerPool) {
    for copy in auxiliaries { pool.forEach(copy.slices.count) { copy.hash($0) } }
  }

  /// Everything as it stands now, for a comparison outside of a step.
  func hashAll(_ pool: WorkerPool) {
    for copy in copies { pool.forEach(copy.slices.count) { copy.hash($0) } }
  }

  /// Forgets the moments' hashes, which belong to what they were before they were repaired or restored.
  func forgetMoments() {
    for copy in moments { copy.cells.update(repeating: 0) }
  }

  /// All hashes as one number that a double holds exactly, so that it can travel with the losses.
  var digest: Double {
    var digest: UInt64 = 0
    for copy in copies { for cell in copy.cells { digest = mixed(digest, cell) } }
    return Double(digest >> 12)
  }

  // MARK: - Comparing and repairing

  /// Who differs where. Collective; called by all ranks or none. - Returns: nil as the majority where there is none.
  func disagreements(_ communicator: any Communicator) throws -> [Disagreement] {
    let mine = copies.flatMap(\.tensorHashes)
    let all = try communicator.allGather(mine.withUnsafeBytes { Array($0) }).map { bytes in
      bytes.withUnsafeBytes { raw in (0..<mine.count).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
      }
    }
    var (result, index) = ([Disagreement](), 0)
    for (number, copy) in copies.enumerated() {
      for entry in copy.store.layout.entries {
        let hashes = all.map { $0[index] }
        index += 1
        guard hashes.contains(where: { $0 != hashes[0] }) else { continue }
        let votes = Dictionary(hashes.map { ($0, 1) }, uniquingKeysWith: +)
        let winner = votes.first { 2 * $0.value > hashes.count }?.key
        let faults = hashes.indices.filter { hashes[$0] != (winner ?? hashes[0]) }.map {
          ReplicaFault(rank: $0, tensor: entry.name, state: copy.name)
        }
        result.append(
          Disagreement(
            copy: number, entry: entry.index, source: winner.flatMap { hashes.firstIndex(of: $0) }, faults: faults))
      }
    }
    return result
  }

  struct Disagreement {
    let copy: Int
    let entry: Int
    /// The lowest rank of the majority; nil where there is none.
    let source: Int?
    let faults: [ReplicaFault]
  }

  /// Gives every rank the majority's tensors. A wrong moment has made the weights wrong in the update that read it, so
  /// a parameter is repaired with both its moments, and from a rank on which all three are right. Collective.
  ///
  /// - Returns: false where no rank is right in everything; nothing has then been repaired.
  func repair(_ disagreements: [Disagreement], _ communicator: any Communicator) throws -> Bool {
    let trained = Dictionary(grouping: disagreements.filter { $0.copy <= moments.count }, by: \.entry).sorted {
      $0.key < $1.key
    }
    let sources = trained.map { _, group in
      let wrong = Set(group.flatMap { $0.faults.map(\.rank) })
      return (0..<communicator.size).first { !wrong.contains($0) }
    }
    guard sources.allSatisfy({ $0 != nil }) else { return false }
    for (one, source) in zip(trained, sources) {
      for store in [weights.store] + moments.map(\.store) {
        try copy(one.key, of: store, from: source ?? 0, communicator)
      }
    }
    for one in disagreements where one.copy > moments.count {
      try copy(one.entry, of: copies[one.copy].store, from: one.source ?? 0, communicator)
    }
    forgetMoments()
    return true
  }

  private func copy(_ entry: Int, of store: ParameterStore, from source: Int, _ communicator: any Communicator) throws {
    let view = store.view(entry)
    try communicator.broadcast(UnsafeMutableRawBufferPointer(start: view.base, count: 4 * view.count), from: source)
  }
}
