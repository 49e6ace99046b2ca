import Core
import Kernels
import Tensors

/// Adds a rank's gradient sum over ranks, bucket by bucket, while backward is still running.
///
/// Each rank owns a part of every bucket. A bucket is exchanged, so that a rank has its part of all ranks' integers; it
/// adds them, rounds once to floats and clears the bucket's integers; then the floats are spread. That is 8 + 4 bytes
/// per parameter on the wire, 1.5 times what the best sum of floats moves, and any order of adding gives the same
/// integers.
///
/// Buckets are contiguous ranges of the layout, started in index order on every rank, and so are their second phases:
/// the order is the same everywhere by construction, so nothing is negotiated. MPI moves what was started only inside
/// calls, so `poll` is called often: by the main thread between short sleeps while workers compute, or after each layer
/// when the main thread computes itself.
public final class GradientReducer {
  private let sum: GradientSum
  private let communicator: any Communicator
  private let buckets: [Range<Int>]
  private var posted = 0
  private var active: [Bucket] = []
  private var failure: CollectiveError?
  /// Received integers, one bucket's worth for each bucket under way.
  private let received: [UnsafeMutablePointer<Int64>]
  /// Seconds the main thread spent waiting for sums after backward had ended, since the last `begin`.
  public private(set) var exposedSeconds = 0.0

  /// A bucket under way.
  private struct Bucket {
    let index: Int
    var request: any Request
    /// Its integers have been added, and its floats are being spread; or it is a plain sum.
    var isLastPhase: Bool
    var isDone = false
  }

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
    // The control has the same buckets, so that a comparison of times compares sums.
    let most = max(bucketBytes / 8, 1)
    var buckets: [Range<Int>] = []
    var start = 0
    for entry in sum.layout.entries {
      let end = sum.layout.end(of: entry.index)
      if end - start >= most || entry.index == sum.layout.entries.count - 1 {
        // A tensor larger than a bucket goes in pieces, so that the first can travel while the rest is added.
        for piece in stride(from: start, to: end, by: most) { buckets.append(piece..<min(piece + most, end)) }
        start = end
      }
    }
    self.buckets = buckets
    let largest = buckets.map(\.count).max() ?? 0
    let slots = communicator.size > 1 && sum.arithmetic == .exact ? Self.mostActive : 0
    // Parts differ by one unit at most, so all ranks' contributions to the largest part need little more than a bucket.
    received = (0..<slots).map { _ in allocate(Int64.self, count: largest + communicator.size * Self.partUnit) }
  }

  deinit { for memory in received { memory.deallocate() } }

  /// Buckets under way at a time. Two keep a link busy; more would only take memory.
  private static let mostActive = 2
  /// Parts start on multiples of this many elements: whole cache lines.
  private static let partUnit = 16

  public var bucketCount: Int { buckets.count }

  /// Before backward.
  public func begin() {
    posted = 0
    exposedSeconds = 0
    failure = nil
  }

  /// Posts the buckets that are final on this rank, and lets MPI make progress. Errors surface in `finish`.
  ///
  /// - Returns: whether a bucket is on its way, so that the next call should come soon.
  @discardableResult
  public func poll() -> Bool {
    guard communicator.size > 1, failure == nil else { return false }
    do throws(CollectiveError) {
      let completed = sum.completed
      // The last bucket waits for `finish`: the flags travel behind it.
      while posted < buckets.count - 1, active.count < Self.mostActive, buckets[posted].upperBound <= completed {
        try post()
      }
      _ = try advance()
    } catch {
      failure = error
    }
    return failure == nil && !active.isEmpty
  }

  /// After backward on this rank: the rest of the buckets, then the flags.
  ///
  /// - Parameter whileWaiting: a short piece of other work for the time in which nothing has arrived; false when there
  ///   is none left.
  /// - Returns: the same on every rank.
  public func finish(whileWaiting: () -> Bool = { false }) throws(CollectiveError) -> Outcome {
    if let failure { throw failure }
    precondition(
      sum.completed == sum.layout.count, "backward ended with gradients missing from \(sum.completed) on")
    let start = ContinuousClock.now
    sum.writeFlags()
    if communicator.size > 1 {
      var wait = communicator.beginWait()
      while posted < buckets.count || !active.isEmpty {
        while posted < buckets.count, active.count < Self.mostActive { try post() }
        if try advance() { wait.progress() }
        if !active.isEmpty, !whileWaiting() { try communicator.idle(&wait) }
      }
      let flags = try communicator.startAllReduce(
        UnsafeMutableBufferPointer(start: sum.memory + sum.layout.count, count: 2 * sum.layout.entries.count))
      while !(try flags.test()) { if !whileWaiting() { try communicator.idle(&wait) } }
    }
    exposedSeconds += (ContinuousClock.now - start).inSeconds
    return outcome()
  }

  private func post() throws(CollectiveError) {
    let (index, range) = (posted, buckets[posted])
    posted += 1
    let request: any Request
    if sum.arithmetic == .exact {
      request = try communicator.startAllToAll(
        sum.memory + range.lowerBound, parts: parts(of: index), received: received[index % Self.mostActive])
    } else {
      request = try communicator.startAllReduce(
        UnsafeMutableBufferPointer(start: sum.floats + range.lowerBound, count: range.count))
    }
    active.append(Bucket(index: index, request: request, isLastPhase: sum.arithmetic == .float))
  }

  /// Tests everything under way: each makes progress only in its own test or beside another's.
  /// - Returns: whether anything has been completed.
  private func advance() throws(CollectiveError) -> Bool {
    var moved = false
    for i in active.indices where !active[i].isDone {
      active[i].isDone = try active[i].request.test()
      moved = moved || active[i].isDone
    }
    // Second phases start in index order on every rank.
    for i in active.indices {
      guard active[i].isDone || active[i].isLastPhase else { break }
      guard !active[i].isLastPhase else { continue }
      addAndRound(active[i].index)
      active[i].request = try communicator.startAllGather(
        sum.rounded.memory + buckets[active[i].index].lowerBound, parts: parts(of: active[i].index))
      (active[i].isLastPhase, active[i].isDone) = (true, false)
    }
    active.removeAll { $0.isDone && $0.isLastPhase }
    return moved
  }

  /// Each rank's part of a bucket, relative to its start.
  private func parts(of bucket: Int) -> [Range<Int>] {
    let count = buckets[bucket].count
    let units = (count + Self.partUnit - 1) / Self.partUnit
    return (0..<communicator.size).map { rank in
      let start = min(units * rank / communicator.size * Self.partUnit, count)
      return start..<min(units * (rank + 1) / communicator.size * Self.partUnit, count)
    }
  }

  /// The owner's part of the work: every tensor in its part rounded with its own exponent. The bucket's integers are
  /// cleared, for they have been sent.
  private func addAndRound(_ index: Int) {
    let (bucket, layout) = (buckets[index], sum.layout)
    let part = parts(of: index)[communicator.rank]
    let mine = bucket.lowerBound + part.lowerBound..<bucket.lowerBound + part.upperBound
    var entry = layout.entry(at: mine.lowerBound)
    while !mine.isEmpty, entry < layout.entries.count, layout.entries[entry].offset < mine.upperBound {
      let range = max(layout.entries[entry].offset, mine.lowerBound)..<min(layout.end(of: entry), mine.upperBound)
      roundExactSum(
        of: received[index % Self.mostActive], ranks: communicator.size, count: part.count,
        range: range.lowerBound - mine.lowerBound..<range.upperBound - mine.lowerBound,
        inverse: sum.inverseScale(entry),
        into: sum.rounded.memory + range.lowerBound)
      entry += 1
    }
    (sum.memory + bucket.lowerBound).update(repeating: 0, count: bucket.count)
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

  /// After a step: sets exponents by the largest summed gradient of each tensor. - Returns: whether the step must be
  /// taken again because its exponents were only guesses.
  public func updateExponents(largest: [Float]) -> Bool {
    guard arithmetic == .exact else { return false }
    let again = provisional
    for (entry, value) in largest.enumerated() where value > 0 {
      exponents[entry] = min(max(Self.targetExponent - Int(value.exponent), -64), 100)
    }
    provisional = false
    return again
  }
}
