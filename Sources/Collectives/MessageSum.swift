import Core
import Kernels
import Tensors

/// The sum over ranks by messages. A bucket is exchanged, so that a rank has its part of all ranks' integers; it adds
/// and rounds them; then the floats are spread. That is 8 + 4 bytes per parameter on
/// the wire, 1.5 times what the best sum of floats moves.
///
/// Second phases, too, start in index order on every rank. MPI moves what was started only inside calls.
final class MessageSum: BucketSum {
  private let sum: GradientSum
  private let communicator: any Communicator
  private let buckets: [Range<Int>]
  private var posted = 0
  private var active: [Bucket] = []
  /// Received integers, one bucket's worth for each bucket under way.
  private let received: [UnsafeMutablePointer<Int64>]

  /// A bucket under way.
  private struct Bucket {
    let index: Int
    var request: any Request
    /// Its integers have been added, and its floats are being spread; or it is a plain sum.
    var isLastPhase: Bool
    var isDone = false
    let started = Trace.isOn ? Trace.now : 0
  }

  /// Buckets under way at a time. Two keep a link busy; more would only take memory.
  private static let mostActive = 2

  init(_ sum: GradientSum, _ communicator: any Communicator, _ buckets: [Range<Int>]) {
    (self.sum, self.communicator, self.buckets) = (sum, communicator, buckets)
    let largest = buckets.map(\.count).max() ?? 0
    let slots = sum.arithmetic == .exact ? Self.mostActive : 0
    // Parts differ by one cache line at most, so all ranks' contributions to the largest need little more than a
    // bucket.
    received = (0..<slots).map { _ in allocate(Int64.self, count: largest + communicator.size * 16) }
  }

  deinit { for memory in received { memory.deallocate() } }

  func begin() { posted = 0 }

  var isBusy: Bool { !active.isEmpty }

  func advance(final: Int) throws(CollectiveError) -> Bool {
    var moved = false
    while posted < final, active.count < Self.mostActive {
      try post()
      moved = true
    }
    return try test() || moved
  }

  private func post() throws(CollectiveError) {
    let (index, range) = (posted, buckets[posted])
    posted += 1
    let request: any Request
    if sum.arithmetic == .exact {
      request = try communicator.startAllToAll(
        sum.memory + range.lowerBound, parts: parts(of: range.count, ranks: communicator.size),
        received: received[index % Self.mostActive])
    } else {
      request = try communicator.startAllReduce(
        UnsafeMutableBufferPointer(start: sum.floats + range.lowerBound, count: range.count))
    }
    active.append(Bucket(index: index, request: request, isLastPhase: sum.arithmetic == .float))
  }

  /// Tests everything under way: each makes progress only in its own test or beside another's.
  /// - Returns: whether anything has been completed.
  private func test() throws(CollectiveError) -> Bool {
    var moved = false
    for i in active.indices where !active[i].isDone {
      active[i].isDone = try active[i].request.test()
      moved = moved || active[i].isDone
    }
    for i in active.indices {
      guard active[i].isDone || active[i].isLastPhase else { break }
      guard !active[i].isLastPhase else { continue }
      Trace.record("exchange of bucket \(active[i].index)", thread: 0, since: active[i].started)
      Trace.span("add bucket \(active[i].index)") { addAndRound(active[i].index) }
      let bucket = buckets[active[i].index]
      active[i].request = try communicator.startAllGather(
        sum.rounded.memory + bucket.lowerBound, parts: parts(of: bucket.count, ranks: communicator.size))
      (active[i].isLastPhase, active[i].isDone) = (true, false)
    }
    active.removeAll { $0.isDone && $0.isLastPhase }
    return moved
  }

  /// The owner's part of the work.
  private func addAndRound(_ index: Int) {
    let bucket = buckets[index]
    let part = parts(of: bucket.count, ranks: communicator.size)[communicator.rank]
    sum.round(
      bucket.lowerBound + part.lowerBound..<bucket.lowerBound + part.upperBound, of: received[index % Self.mostActive],
      ranks: communicator.size, stride: part.count)
  }
}
