import Checkpoints
import Configuration
import Core
import Foundation

/// Whether a run folder proves that its run used every sample exactly once (or exactly as often as its objective
/// repeats texts), over all starts and rank counts.
///
/// The live lines of the ledger must follow each other without gap and overlap; each must have the digest that the
/// configuration gives for its steps; each checkpoint's account must be the sum up to its step; and no epoch may use a
/// sample twice.
public struct SampleProof: Codable, Sendable, Equatable {
  public struct Failure: Codable, Sendable, Equatable {
    /// Finished steps before the first step concerned.
    public var step: Int
    public var sentence: String
  }

  /// nil when nothing was recorded, so that there is nothing to prove or to refute.
  public var holds: Bool?
  /// Steps proven: firstStep ..< endStep.
  public var firstStep = 0
  public var endStep = 0
  public var samples = 0
  public var starts = 0
  public var rankCounts: [Int] = []
  /// With all copies.
  public var samplesPerEpoch = 0
  /// How often each text is used per epoch.
  public var times = 1
  /// Whether tokens were compared too, not only positions and indices.
  public var comparedTokens = false
  /// The newest checkpoint with an account.
  public var newestCheckpoint: Int?
  /// All that is wrong, the earliest step first.
  public var failures: [Failure] = []

  /// - Parameter tokens: reads the token digests of an epoch, or nil to leave tokens out. Called once, only when there
  ///   is a ledger.
  public init(_ folder: RunFolder, _ configuration: RunConfiguration, tokens: () throws -> [UInt64]?) throws {
    // Checkpoints first: a run under way writes its ledger before the checkpoint, so what is read here is in the
    // ledger.
    var accounts: [(step: Int, account: SampleAccount)] = []
    for step in try folder.steps() {
      // A damaged one is reported by the summary of the run.
      guard let checkpoint = try? Checkpoint(opening: folder.checkpointPath(step: step)) else { continue }
      if let account = checkpoint.state.account { accounts.append((step, account)) }
    }
    let chain = LedgerChain(try Ledger(folder.ledgerPath), from: accounts.first?.account.firstStep)
    newestCheckpoint = accounts.last?.step
    failures = chain.failures
    guard let perEpoch = accounts.last?.account.samplesPerEpoch ?? chain.samplesPerEpoch else { return }
    (firstStep, endStep, samplesPerEpoch) = (chain.firstStep, max(chain.endStep, accounts.last?.step ?? 0), perEpoch)
    (starts, rankCounts) = (Set(chain.live.map(\.launch)).count, Set(chain.live.map(\.ranks)).sorted())
    times = configuration.stream.repetition.times
    let digests = try tokens()
    comparedTokens = digests != nil
    if perEpoch < times || perEpoch % times != 0 {
      failures.append(
        Failure(
          step: 0, sentence: "an epoch of \(Core.counted(perEpoch, "sample")) cannot have every text \(times) times"))
    } else if let digests, digests.count * times != perEpoch {
      failures.append(
        Failure(
          step: 0, sentence: "the corpus has \(digests.count * times) samples per epoch, and the run had \(perEpoch)"))
    } else {
      compare(chain, accounts, ExpectedSamples(configuration, samplesPerEpoch: perEpoch, tokens: digests))
    }
    failures.sort { $0.step < $1.step }
    holds = failures.isEmpty
  }

  private mutating func compare(
    _ chain: LedgerChain, _ accounts: [(step: Int, account: SampleAccount)], _ source: ExpectedSamples
  ) {
    var expected = source
    // Behind the first break of the chain nothing more is computed: a forged line could claim any number of steps.
    let trusted = failures.map(\.step).min() ?? .max
    let lines = chain.live.filter { $0.endStep <= trusted }
    // Digests of steps 0 ..< s, for every s where a line or an account begins or ends.
    var upTo: [Int: SampleDigest] = [:]
    // Nor is anything for an account that counts from nowhere or ends where no line does.
    let counted = accounts.filter { (0...$0.step).contains($0.account.firstStep) && chain.boundaries.contains($0.step) }
    let ends = lines.flatMap { [$0.firstStep, $0.endStep] } + counted.flatMap { [$0.account.firstStep, $0.step] }
    for step in Set(ends).sorted() {
      _ = expected.advance(to: step)
      upTo[step] = expected.total
    }
    func wanted(_ first: Int, _ end: Int) -> SampleDigest {
      (upTo[end] ?? SampleDigest()) &- (upTo[first] ?? SampleDigest())
    }
    for line in lines {
      note(
        line.firstStep,
        "steps \(line.firstStep)–\(line.endStep) (start \(line.launch), \(Core.counted(line.ranks, "rank")))",
        line.digest, wanted(line.firstStep, line.endStep))
      samples += line.digest.samples
    }
    for (step, account) in accounts where !(0...step).contains(account.firstStep) {
      failures.append(
        Failure(step: 0, sentence: "the checkpoint of step \(step) counts its samples from step \(account.firstStep)"))
    }
    for (step, account) in counted {
      note(account.firstStep, "the checkpoint of step \(step)", account.digest, wanted(account.firstStep, step))
    }
    for (step, _) in accounts where !chain.boundaries.contains(step) {
      failures.append(
        Failure(
          step: chain.endStep(before: step),
          sentence: "no line of the ledger ends at step \(step), which has a checkpoint"))
    }
    if let step = expected.repeatedAt {
      failures.append(Failure(step: step, sentence: "the order of its epoch names a sample twice"))
    }
  }

  private mutating func note(_ step: Int, _ what: String, _ found: SampleDigest, _ wanted: SampleDigest) {
    let sentence: String
    if found.samples != wanted.samples {
      sentence = "\(what) used \(Core.counted(found.samples, "sample")) instead of \(wanted.samples)"
    } else if found.order != wanted.order {
      sentence = "\(what) did not use each of its samples \(often), in its place"
    } else if comparedTokens, found.content != wanted.content {
      sentence = "\(what) used the right samples with other tokens than the corpus has"
    } else {
      return
    }
    failures.append(Failure(step: step, sentence: sentence))
  }
}

extension SampleProof {
  /// What `init` needs as `tokens`. - Parameter source: the training split in the order of the corpus.
  public static func tokenDigests(_ source: any SampleSource) throws -> [UInt64] {
    try ExpectedSamples.tokenDigests(source)
  }
}

// MARK: - For people

extension SampleProof {
  public var lines: [String] {
    guard let holds else {
      return failures.isEmpty ? ["samples: nothing recorded yet, or by a version that kept no ledger"] : failureLines
    }
    return holds ? [proven] : failureLines
  }

  private var failureLines: [String] {
    failures.prefix(1).map { "samples: FAILED from step \($0.step) on: \($0.sentence)" }
      + failures.dropFirst().prefix(9).map { "  step \($0.step): \($0.sentence)" }
      + (failures.count > 10 ? ["  and \(failures.count - 10) more"] : [])
  }

  private var proven: String {
    let ranks = rankCounts.count > 1 ? Self.list(rankCounts) : "\(rankCounts.first ?? 1)"
    var text = "samples: \(Self.grouped(samples / times)) of steps \(firstStep)–\(endStep) used exactly \(often)"
    text += ", over \(starts) \(starts == 1 ? "start" : "starts") on \(ranks) \(rankCounts == [1] ? "rank" : "ranks")"
    text += "; \(epochs)"
    if firstStep > 0 { text += "; steps before \(firstStep) were not recorded" }
    if let newestCheckpoint, newestCheckpoint < endStep {
      text += "; the newest checkpoint is of step \(newestCheckpoint)"
    }
    return text + (comparedTokens ? "" : "; tokens were not compared")
  }

  private var often: String { times == 1 ? "once" : "\(times) times" }

  /// Which epochs are complete, and how far the open one is.
  private var epochs: String {
    guard endStep > firstStep, samples > 0 else { return "no epoch begun" }
    let perStep = samples / (endStep - firstStep)
    let (complete, rest) = (endStep * perStep).quotientAndRemainder(dividingBy: samplesPerEpoch)
    let closed = complete == 0 ? nil : complete == 1 ? "epoch 0 complete" : "epochs 0–\(complete - 1) complete"
    let share = Double(rest) / Double(samplesPerEpoch) * 100
    let open =
      rest == 0
      ? nil
      : "epoch \(complete) at \(share < 10 ? String(format: "%.1f", share) : String(Int(share))) %, \(Self.grouped(samplesPerEpoch - rest)) samples to go"
    return [closed, open].compactMap { $0 }.joined(separator: ", ")
  }

  private static func list(_ numbers: [Int]) -> String {
    numbers.dropLast().map(String.init).joined(separator: ", ") + " and \(numbers.last ?? 0)"
  }

  /// 3300 as 3,300.
  static func grouped(_ number: Int) -> String {
    var (digits, text) = (Substring(String(number)), "")
    while digits.count > 3 {
      text = ",\(digits.suffix(3))" + text
      digits = digits.dropLast(3)
    }
    return digits + text
  }
}
