import Collectives
import Core
import Tensors

/// What `lockstep benchmark all-reduce` measures for one size.
public struct AllReduceResult: Codable, Sendable {
  /// Size of the gradient as floats, in MB of 10⁶ bytes.
  public var megabytes: Double
  /// MPI ranks of the job.
  public var ranks: Int
  /// Times each way was measured.
  public var repeats: Int
  /// Median seconds of the exact sum in memory that all ranks see; nil where they are not on one node.
  public var sharedS: Double?
  /// Median seconds of the exact sum by messages.
  public var messagesS: Double
  /// Median seconds of MPI_Allreduce of as many floats, by the algorithm that the library chooses or was told to use.
  public var mpiAllreduceS: Double
}

/// Times the sum of a gradient over ranks: exact in shared memory, exact by messages, and the library's float sum,
/// alternately.
public struct AllReduceBenchmark {
  /// Times each way is measured.
  public var repeats = 11
  /// Bytes of a bucket.
  public var bucketBytes = 4 << 20

  public init() {}

  /// - Parameter count: floats of the gradient.
  public func run(count: Int, _ communicator: MPICommunicator) throws -> AllReduceResult {
    var layout = ParameterLayout()
    let start = layout.entries.count
    layout.append(ParameterSpec("gradient", [count], decay: false, .zeros))
    _ = layout.group(from: start)
    let node = try communicator.shareMemory(bytes: GradientSum.nodeBytes(layout))
    let shared = node.map { Exact(layout, node: $0, communicator, bucketBytes) }
    let messages = Exact(layout, node: nil, communicator, bucketBytes)
    var floats = [Float](repeating: 1, count: count)
    var seconds: [[Double]] = [[], [], []]
    // The first round touches all memory for the first time.
    for round in 0...repeats {
      let times = [
        try shared.map { one in try time(communicator) { try one.sum() } } ?? 0,
        try time(communicator) { try messages.sum() },
        try time(communicator) { try communicator.sumBlocking(&floats) },
      ]
      if round > 0 { for (way, time) in times.enumerated() { seconds[way].append(time) } }
    }
    let medians = seconds.map { $0.sorted()[repeats / 2] }
    return AllReduceResult(
      megabytes: Double(4 * count) / 1e6, ranks: communicator.size, repeats: repeats,
      sharedS: shared == nil ? nil : medians[0], messagesS: medians[1], mpiAllreduceS: medians[2])
  }

  /// Seconds of the slowest rank.
  private func time(_ communicator: MPICommunicator, _ body: () throws -> Void) throws -> Double {
    try communicator.barrier()
    let start = ContinuousClock.now
    try body()
    return try communicator.maximum((ContinuousClock.now - start).inSeconds)
  }

  /// A gradient sum without a model.
  private struct Exact {
    let reducer: GradientReducer
    let sink: GradientSum.Sink

    init(_ layout: ParameterLayout, node: NodeMemory?, _ communicator: MPICommunicator, _ bucketBytes: Int) {
      let sum = GradientSum(layout, node: node)
      sink = sum.makeSink()
      sum.begin(willWork: false)
      reducer = GradientReducer(sum, communicator, bucketBytes: bucketBytes)
    }

    func sum() throws {
      reducer.begin()
      sink.begin(willWork: false)
      _ = try reducer.finish()
    }
  }
}
