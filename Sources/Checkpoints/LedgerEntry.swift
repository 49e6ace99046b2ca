import Core
import Storage

/// What was trained on since `firstStep`, as a checkpoint carries it. The same on any rank count.
public struct SampleAccount: Codable, Sendable, Equatable {
  /// 0, unless the run goes on from a checkpoint that had no account.
  public var firstStep: Int
  public var samples: Int
  /// Hexadecimal digits of `SampleDigest.order` and `.content`.
  public var order: String
  public var content: String
  public var samplesPerEpoch: Int

  public init(firstStep: Int, digest: SampleDigest, samplesPerEpoch: Int) {
    (self.firstStep, self.samplesPerEpoch, samples) = (firstStep, samplesPerEpoch, digest.samples)
    (order, content) = (hexadecimal(digest.order), hexadecimal(digest.content))
  }

  public var digest: SampleDigest {
    SampleDigest(samples: samples, order: UInt64(order, radix: 16) ?? 0, content: UInt64(content, radix: 16) ?? 0)
  }
}

/// One line of `ledger.jsonl`.
public enum LedgerEntry: Sendable, Equatable {
  /// A start of the run. Lines before it that end after `step` are void: their work was lost.
  case start(LedgerStart)
  /// Steps that were trained.
  case steps(LedgerSteps)
}

/// A start, as the ledger has it.
public struct LedgerStart: Sendable, Equatable {
  /// Number of the file in `launches`.
  public var launch: Int
  /// Finished steps it began with.
  public var step: Int
  /// Steps planned, which schedules depend on.
  public var plannedSteps: Int
  public var samplesPerEpoch: Int

  public init(launch: Int, step: Int, plannedSteps: Int, samplesPerEpoch: Int) {
    (self.launch, self.step, self.plannedSteps, self.samplesPerEpoch) = (launch, step, plannedSteps, samplesPerEpoch)
  }
}

/// Steps firstStep ..< endStep, and the digest of the samples that all ranks really trained on in them.
public struct LedgerSteps: Sendable, Equatable {
  public var launch: Int
  public var ranks: Int
  public var threads: Int
  public var hosts: Int
  public var firstStep: Int
  public var endStep: Int
  public var digest: SampleDigest

  public init(launch: Int, ranks: Int, threads: Int, hosts: Int, firstStep: Int, endStep: Int, digest: SampleDigest) {
    (self.launch, self.ranks, self.threads, self.hosts) = (launch, ranks, threads, hosts)
    (self.firstStep, self.endStep, self.digest) = (firstStep, endStep, digest)
  }
}

// MARK: - JSON

extension LedgerEntry {
  private var members: [JSONValue.Member] {
    switch self {
    case .start(let start):
      return [
        .init("launch", .integer(start.launch)), .init("start", .integer(start.step)),
        .init("planned_steps", .integer(start.plannedSteps)),
        .init("samples_per_epoch", .integer(start.samplesPerEpoch)),
      ]
    case .steps(let steps):
      return [
        .init("launch", .integer(steps.launch)), .init("ranks", .integer(steps.ranks)),
        .init("threads", .integer(steps.threads)),
        .init("hosts", .integer(steps.hosts)), .init("first_step", .integer(steps.firstStep)),
        .init("end_step", .integer(steps.endStep)),
        .init("samples", .integer(steps.digest.samples)), .init("order", .string(hexadecimal(steps.digest.order))),
        .init("content", .string(hexadecimal(steps.digest.content))),
      ]
    }
  }

  /// The line without its end, with a checksum of itself and of the line before: no line can be changed or taken out
  /// alone.
  func line(after previous: String) -> (line: String, checksum: String) {
    let checksum = Self.checksum(members, after: previous)
    return (JSONValue.object(members + [.init("checksum", .string(checksum))]).compact, checksum)
  }

  private static func checksum(_ members: [JSONValue.Member], after previous: String) -> String {
    String(SHA256.of(previous + JSONValue.object(members).compact).prefix(16))
  }

  /// A line read back: the entry, its checksum, and whether the checksum matches it and the line before. Nil when it is
  /// no line of a ledger.
  static func read(_ line: UnsafeRawBufferPointer, after previous: String) -> (
    entry: LedgerEntry, checksum: String, matches: Bool
  )? {
    guard let json = try? JSONValue.parse(line), let members = json.members, let last = members.last,
      last.name == "checksum",
      let checksum = last.value.string, let entry = LedgerEntry(json)
    else { return nil }
    return (entry, checksum, checksum == Self.checksum(Array(members.dropLast()), after: previous))
  }

  private init?(_ json: JSONValue) {
    let number: (String) -> Int? = { json[$0]?.integer }
    let word: (String) -> UInt64? = { json[$0]?.string.flatMap { UInt64($0, radix: 16) } }
    guard let launch = number("launch") else { return nil }
    if let step = number("start"), let planned = number("planned_steps"), let perEpoch = number("samples_per_epoch") {
      self = .start(LedgerStart(launch: launch, step: step, plannedSteps: planned, samplesPerEpoch: perEpoch))
    } else if let ranks = number("ranks"), let threads = number("threads"), let hosts = number("hosts"),
      let first = number("first_step"), let end = number("end_step"), let samples = number("samples"),
      let order = word("order"),
      let content = word("content")
    {
      let digest = SampleDigest(samples: samples, order: order, content: content)
      self = .steps(
        LedgerSteps(
          launch: launch, ranks: ranks, threads: threads, hosts: hosts, firstStep: first, endStep: end, digest: digest))
    } else {
      return nil
    }
  }
}
