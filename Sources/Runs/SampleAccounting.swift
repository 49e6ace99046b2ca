import Checkpoints
import Collectives
import Core
import Kernels

/// Audits the samples trained on: each rank adds up its own, the sums of ranks are reduced when a line of the ledger is
/// due, and rank 0 writes it.
final class SampleAccounting {
  /// Of all ranks, up to the last line. The same on every rank.
  private(set) var account: SampleAccount?
  private let communicator: any Communicator
  private let samplesPerEpoch: Int
  private var mine = SampleDigest()
  private var firstStep = 0
  private var launch = 0
  private var threads = 0
  private var hosts = 1

  init(_ communicator: any Communicator, samplesPerEpoch: Int) {
    (self.communicator, self.samplesPerEpoch) = (communicator, samplesPerEpoch)
  }

  /// Takes up the account of the checkpoint that the run goes on from; nil for a checkpoint that has none.
  func resume(_ account: SampleAccount?) { self.account = account }

  /// Before the first step after a start, or after rolling back to a checkpoint. Collective.
  ///
  /// - Parameter launch: number of this start's record; known on rank 0.
  /// - Returns: the line that says so.
  func begin(at step: Int, plannedSteps: Int, threads: Int, launch: Int) throws -> LedgerEntry {
    (firstStep, self.threads, self.launch, mine) = (step, threads, launch, SampleDigest())
    account = account ?? SampleAccount(firstStep: step, digest: SampleDigest(), samplesPerEpoch: samplesPerEpoch)
    hosts = try communicator.sum(communicator.localRank == 0 ? 1 : 0)
    return .start(LedgerStart(launch: launch, step: step, plannedSteps: plannedSteps, samplesPerEpoch: samplesPerEpoch))
  }

  /// What this rank trained on in an accepted step.
  func add(_ digest: SampleDigest) { mine &+= digest }

  /// Closes the steps since the last line. Collective: one sum of five integers over ranks. - Returns: their line.
  func close(_ step: Int) throws -> LedgerEntry? {
    guard step > firstStep, let account else { return nil }
    var words = mine.words
    if communicator.size > 1 { try communicator.allReduce(&words, .sum) }
    let digest = SampleDigest(words: words)
    let line = LedgerEntry.steps(
      LedgerSteps(
        launch: launch, ranks: communicator.size, threads: threads, hosts: hosts, firstStep: firstStep, endStep: step,
        digest: digest))
    self.account = SampleAccount(
      firstStep: account.firstStep, digest: account.digest &+ digest, samplesPerEpoch: samplesPerEpoch)
    (mine, firstStep) = (SampleDigest(), step)
    return line
  }
}
