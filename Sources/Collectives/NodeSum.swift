import Core
import Synchronization
import Tensors

/// The sum over the ranks of one node, in memory that all of them see. Nothing is copied: the owner of a part reads all
/// ranks' integers where they are, and rounds the sum into floats that all ranks read.
///
/// Ranks wait for each other by two numbers, which only grow: how many buckets of all steps are final on a rank, and
/// how many it has rounded its part of.
///
/// Invariant: a bucket's integers are written by their rank until it says that they are final, and again in the next
/// step, which no rank begins before all floats of this one are complete. Floats of a step are not overwritten before
/// all ranks have ended their update: only then is a bucket of the next step final everywhere.
final class NodeSum: BucketSum {
  private let sum: GradientSum
  private let node: NodeMemory
  private let buckets: [Range<Int>]
  /// Buckets of all steps before this one.
  private var before = 0
  private var isFirst = true
  /// Buckets of this step that this rank has said to be final, and rounded its part of.
  private var (final, rounded) = (0, 0)
  /// What was last seen of all ranks together, to notice that something has happened.
  private var seen = 0

  init(_ sum: GradientSum, _ node: NodeMemory, _ buckets: [Range<Int>]) {
    (self.sum, self.node, self.buckets) = (sum, node, buckets)
  }

  func begin() {
    if !isFirst { before += buckets.count }
    (isFirst, final, rounded) = (false, 0, 0)
  }

  var isBusy: Bool { allRounded < final }

  func advance(final count: Int) throws(CollectiveError) -> Bool {
    if count > final {
      final = count
      node.write(.final, before + final)
    }
    if rounded < least(.final) {
      Trace.span("add bucket \(rounded)") { round(buckets[rounded]) }
      rounded += 1
      node.write(.rounded, before + rounded)
      return true
    }
    let now = least(.final) + allRounded
    defer { seen = now }
    return now != seen
  }

  /// Buckets of this step whose floats are complete.
  private var allRounded: Int { least(.rounded) }

  private func least(_ counter: NodeMemory.Counter) -> Int {
    (0..<node.ranks).reduce(.max) { min($0, node.read(counter, of: $1)) } - before
  }

  /// Adds and rounds this rank's part of a bucket.
  private func round(_ bucket: Range<Int>) {
    let own = parts(of: bucket.count, ranks: node.ranks)[node.rank]
    let part = bucket.lowerBound + own.lowerBound..<bucket.lowerBound + own.upperBound
    sum.round(part, of: node.integers(of: 0) + part.lowerBound, ranks: node.ranks, stride: node.stride / 8)
  }
}

/// A rank's piece: its two counters on a page of their own, its integers, and in rank 0's the floats of all.
extension NodeMemory {
  /// In words from the start of a piece: each has a cache line of its own.
  enum Counter: Int {
    case final = 0
    case rounded = 8
  }

  private static var countersBytes: Int { 4096 }

  static func bytes(integers: Int, floats: Int) -> Int { countersBytes + 8 * integers + 64 + 4 * floats }

  func read(_ counter: Counter, of rank: Int) -> Int { cell(counter, of: rank).pointee.load(ordering: .acquiring) }

  /// What this rank wrote before, others see once they read the new number.
  func write(_ counter: Counter, _ value: Int) { cell(counter, of: rank).pointee.store(value, ordering: .releasing) }

  private func cell(_ counter: Counter, of rank: Int) -> UnsafeMutablePointer<Atomic<Int>> {
    (piece(rank) + 8 * counter.rawValue).assumingMemoryBound(to: Atomic<Int>.self)
  }

  func integers(of rank: Int) -> UnsafeMutablePointer<Int64> {
    (piece(rank) + Self.countersBytes).assumingMemoryBound(to: Int64.self)
  }

  /// The floats that all ranks read, behind `integers` integers.
  func floats(behind integers: Int) -> UnsafeMutablePointer<Float> {
    (piece(0) + Self.countersBytes + (8 * integers + 63) / 64 * 64).assumingMemoryBound(to: Float.self)
  }
}
