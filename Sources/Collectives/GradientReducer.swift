import Core
import Kernels
import Tensors

/// Adds a rank's gradient sum over ranks, bucket by bucket, while backward is still running.
///
/// Buckets are contiguous ranges of the layout, taken up in index order on every rank: the order is the same everywhere
/// by construction, so nothing is negotiated. Each rank owns a part of every bucket: it adds the integers of all ranks
/// there and rounds once to floats; any order of adding gives the same integers. How integers and floats get from rank
/// to rank is the business of a `BucketSum`.
///
/// `poll` is called often: by the main thread between short sleeps while workers compute, or after each layer when the
/// main thread computes itself.
public final class GradientReducer {
  private let sum: GradientSum
  private let communicator: any Communicator
  private let buckets: [Range<Int>]
  private let bucketSum: (any BucketSum)?
  private var failure: CollectiveError?
  /// Seconds the main thread spent waiting for sums after backward had ended, since the last `begin`.
  public private(set) var exposedSeconds = 0.0
  /// Seconds from the first bucket that was taken up to the last complete sum, since the last `begin`.
  public private(set) var communicationSeconds = 0.0
  private var firstTaken: ContinuousClock.Instant?

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
    let layout = sum.layout
    let buckets = Self.buckets(ends: layout.entries.indices.map { layout.end(of: $0) }, most: max(bucketBytes / 8, 1))
    self.buckets = buckets
    bucketSum =
      communicator.size == 1
      ? nil
      : sum.node.map { NodeSum(sum, $0, buckets) } ?? MessageSum(sum, communicator, buckets)
  }

  /// Ranges of about `most` elements that together are the layout whose tensors end at `ends`.
  public static func buckets(ends: [Int], most: Int) -> [Range<Int>] {
    var buckets: [Range<Int>] = []
    var start = 0
    for (entry, end) in ends.enumerated() {
      if end - start >= most || entry == ends.count - 1 {
        // A tensor larger than a bucket goes in pieces, so that the first can travel while the rest is added.
        for piece in stride(from: start, to: end, by: most) { buckets.append(piece..<min(piece + most, end)) }
        start = end
      }
    }
    return buckets
  }

  public var bucketCount: Int { buckets.count }

  /// Before backward.
  public func begin() {
    bucketSum?.begin()
    (exposedSeconds, communicationSeconds, firstTaken, failure) = (0, 0, nil, nil)
  }

  /// Takes up the buckets that are final on this rank, and moves those under way. Errors surface in `finish`.
  ///
  /// - Returns: whether a bucket is under way, so that the next call should come soon.
  @discardableResult
  public func poll() -> Bool {
    guard let bucketSum, failure == nil else { return false }
    do throws(CollectiveError) {
      let completed = sum.completed
      // The last bucket waits for `finish`: the flags travel behind it.
      let final = buckets.dropLast().firstIndex { $0.upperBound > completed } ?? buckets.count - 1
      if final > 0, firstTaken == nil { firstTaken = .now }
      _ = try bucketSum.advance(final: final)
    } catch {
      failure = error
    }
    return failure == nil && bucketSum.isBusy
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
    if let bucketSum {
      var wait = communicator.beginWait()
      while true {
        if try bucketSum.advance(final: buckets.count) {
          wait.progress()
          continue
        }
        guard bucketSum.isBusy else { break }
        if !whileWaiting() { try communicator.idle(&wait) }
      }
      let flags = try communicator.startAllReduce(
        UnsafeMutableBufferPointer(start: sum.memory + sum.layout.count, count: 2 * sum.layout.entries.count))
      while !(try flags.test()) { if !whileWaiting() { try communicator.idle(&wait) } }
    }
    let end = ContinuousClock.now
    exposedSeconds = (end - start).inSeconds
    communicationSeconds = (end - (firstTaken ?? start)).inSeconds
    return outcome()
  }

  private func outcome() -> Outcome {
    let flags = sum.memory + sum.layout.count
    let entries = sum.layout.entries.indices
    let notFinite = entries.filter { flags[2 * $0 + 1] > 0 }
    let overflow = entries.filter { flags[2 * $0] > 0 }
    if !notFinite.isEmpty { return .notFinite(Array(notFinite)) }
    return overflow.isEmpty ? .complete : .overflow(Array(overflow))
  }
}

extension GradientSum {
  /// After an overflow: lower exponents for the tensors concerned. The same on every rank.
  public func lowerExponents(of entries: [Int]) {
    for entry in entries { exponents[entry] -= 12 }
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
