import Core
import Glibc
import Tensors

/// Adds a rank's gradient sum over ranks, bucket by bucket, while backward is still running.
///
/// Buckets are contiguous ranges of the layout cut at tensor boundaries, posted in index order on every rank: the order
/// is the same everywhere by construction, so nothing is negotiated. Open MPI moves a posted sum only inside calls, so
/// `poll` is called often: by the main thread between short sleeps while workers compute, or after each layer when the
/// main thread computes itself.
public final class GradientReducer {
  private let sum: GradientSum
  private let communicator: any Communicator
  private let buckets: [Range<Int>]
  private var posted = 0
  private var pending: [any PendingSum] = []
  private var failure: CollectiveError?
  /// Seconds the main thread spent waiting for sums after backward had ended, since the last `begin`.
  public private(set) var exposedSeconds = 0.0

  /// What the sum over ranks brought to light. The same on every rank.
  public enum Outcome: Equatable, Sendable {
    case complete
    /// These tensors did not fit their exponents; their exponents are lowered, and the step is to be taken again.
    case overflow([Int])
    /// These tensors hold a NaN or an infinity.
    case notFinite([Int])
  }

  /// - Parameters:
  ///   - bucketBytes: a bucket is closed once it holds as many bytes.
  public init(_ sum: GradientSum, _ communicator: any Communicator, bucketBytes: Int = 4 << 20) {
    self.sum = sum
    self.communicator = communicator
    let width = sum.arithmetic == .exact ? 8 : 4
    var buckets: [Range<Int>] = []
    var start = 0
    for entry in sum.layout.entries {
      let end = sum.layout.end(of: entry.index)
      if (end - start) * width >= bucketBytes || entry.index == sum.layout.entries.count - 1 {
        // A tensor larger than a bucket goes in pieces, so that the first can travel while the rest is added.
        for piece in stride(from: start, to: end, by: max(bucketBytes / width, 1)) {
          buckets.append(piece..<min(piece + max(bucketBytes / width, 1), end))
        }
        start = end
      }
    }
    self.buckets = buckets
  }

  /// Sums under way at a time. The library keeps a copy of each, so this bounds memory; two are enough to keep a link busy.
  private static let mostPending = 2

  public var bucketCount: Int { buckets.count }

  /// Before backward.
  public func begin() {
    posted = 0
    exposedSeconds = 0
    failure = nil
  }

  /// Posts the buckets that are final on this rank, and lets MPI make progress. Errors surface in `finish`.
  public func poll() {
    guard communicator.size > 1, failure == nil else { return }
    do throws(CollectiveError) {
      let completed = sum.completed
      // The last bucket waits for `finish`: the flags travel behind it.
      while posted < buckets.count - 1, pending.count < Self.mostPending, buckets[posted].upperBound <= completed {
        try post(buckets[posted])
      }
      try advance()
    } catch {
      failure = error
    }
  }

  /// After backward on this rank: the rest of the buckets, then the flags. - Returns: the same on every rank.
  public func finish() throws(CollectiveError) -> Outcome {
    if let failure { throw failure }
    precondition(
      sum.completed == sum.layout.count, "backward ended with gradients missing from \(sum.completed) on")
    let clock = ContinuousClock()
    let start = clock.now
    sum.writeFlags()
    if communicator.size > 1 {
      while posted < buckets.count || !pending.isEmpty {
        while posted < buckets.count, pending.count < Self.mostPending { try post(buckets[posted]) }
        try advance()
        if pending.count == Self.mostPending || posted == buckets.count { usleep(20) }
      }
      try postFlags()
      while !pending.isEmpty { try advance() }
    }
    let elapsed = (clock.now - start).components
    exposedSeconds += Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
    return outcome()
  }

  private func post(_ range: Range<Int>) throws(CollectiveError) {
    posted += 1
    if sum.arithmetic == .exact {
      pending.append(
        try communicator.startSum(UnsafeMutableBufferPointer(start: sum.memory + range.lowerBound, count: range.count)))
    } else {
      pending.append(
        try communicator.startSum(UnsafeMutableBufferPointer(start: sum.floats + range.lowerBound, count: range.count)))
    }
  }

  private func postFlags() throws(CollectiveError) {
    let flags = UnsafeMutableBufferPointer(start: sum.memory + sum.layout.count, count: 2 * sum.layout.entries.count)
    pending.append(try communicator.startSum(flags))
  }

  /// Tests every pending sum, not just the first: each makes progress only in its own test or beside another's.
  private func advance() throws(CollectiveError) {
    var rest: [any PendingSum] = []
    for request in pending where !(try request.isDone()) { rest.append(request) }
    pending = rest
  }

  private func outcome() -> Outcome {
    let flags = sum.memory + sum.layout.count
    let entries = sum.layout.entries.indices
    let notFinite = entries.filter { flags[2 * $0 + 1] > 0 }
    let overflow = entries.filter { flags[2 * $0] > 0 }
    (sum.memory + sum.layout.count).update(repeating: 0, count: 2 * entries.count)
    if !notFinite.isEmpty { return .notFinite(Array(notFinite)) }
    return overflow.isEmpty ? .complete : .overflow(Array(overflow))
  }
}

extension GradientSum {
  /// After an overflow: lower exponents for the tensors concerned, and a clear sum. The same on every rank.
  public func lowerExponents(of entries: [Int]) {
    for entry in entries { exponents[entry] -= 12 }
    clear()
  }

  /// After a step: exponents follow the largest summed gradient of each tensor. - Returns: whether the step must be taken
  /// again because its exponents were only guesses.
  public func follow(largest: [Float]) -> Bool {
    guard arithmetic == .exact else { return false }
    let again = provisional
    for (entry, value) in largest.enumerated() where value > 0 {
      exponents[entry] = min(max(Self.targetExponent - Int(value.exponent), -64), 100)
    }
    provisional = false
    return again
  }
}
