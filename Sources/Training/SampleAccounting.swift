import Checkpoints
import Collectives
import Core

/// Keeps the books of the samples trained on: each rank adds up its own, sums of ranks meet when a line of the ledger is due, and
/// rank 0 writes it.
final class SampleAccounting {
  /// Of all ranks, up to the last line. The same on every rank.
  private(set) var account: SampleAccount?
  private let communicator: any Communicator
  private let samplesPerEpoch: Int
  private var mine = SampleDigest()
  private var firstStep = 0
  private var log: LedgerLog?
  private var launch = 0
  private var threads = 0
  private var hosts = 1

  init(_ communicator: any Communicator, samplesPerEpoch: Int) {
    (self.communicator, self.samplesPerEpoch) = (communicator, samplesPerEpoch)
  }

  /// Takes up the account of the checkpoint that the run goes on from; nil for a checkpoint that has none.
  func resume(_ account: SampleAccount?) { self.account = account }

  /// Before the first step of a start. Collective. - Parameter folder: of rank 0, after the record of the start was written.
  func begin(at step: Int, plannedSteps: Int, threads: Int, folder: RunFolder?) throws {
    (firstStep, self.threads) = (step, threads)
    account = account ?? SampleAccount(firstStep: step, digest: SampleDigest(), samplesPerEpoch: samplesPerEpoch)
    hosts = try communicator.sum(communicator.localRank == 0 ? 1 : 0)
    guard let folder else { return }
    launch = try folder.launches().last ?? 0
    log = try LedgerLog(folder.ledgerPath)
    let start = LedgerStart(launch: launch, step: step, plannedSteps: plannedSteps, samplesPerEpoch: samplesPerEpoch)
    try log?.append(.start(start), durably: false)
  }

  /// What this rank trained on in an accepted step.
  func add(_ digest: SampleDigest) { mine &+= digest }

  /// Writes the line of the steps since the last one. Collective: one sum of five integers over ranks.
  func close(_ step: Int, durably: Bool) throws {
    guard step > firstStep, let account else { return }
    var words = mine.words
    if communicator.size > 1 { try communicator.reduce(&words, .sum) }
    let digest = SampleDigest(words: words)
    try log?.append(
      .steps(
        LedgerSteps(
          launch: launch, ranks: communicator.size, threads: threads, hosts: hosts, firstStep: firstStep, endStep: step, digest: digest)),
      durably: durably)
    self.account = SampleAccount(firstStep: account.firstStep, digest: account.digest &+ digest, samplesPerEpoch: samplesPerEpoch)
    (mine, firstStep) = (SampleDigest(), step)
  }
}
