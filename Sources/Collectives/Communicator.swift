import Core

/// A failing collective: which one, on which rank, and MPI's reason.
public struct CollectiveError: LockstepError, Equatable {
  public let operation: String
  public let rank: Int
  public let reason: String

  public init(_ operation: String, rank: Int, reason: String) {
    (self.operation, self.rank, self.reason) = (operation, rank, reason)
  }

  public var exitCode: ExitCode { .failed }
  public var description: String { "\(operation) failed on rank \(rank): \(reason)" }
}

/// An operation over ranks.
public enum Reduction: Sendable { case sum, minimum, maximum }

/// The ranks of a job. One thread of each rank, always the same, talks to it; the type is not `Sendable` for that reason.
///
/// All calls but `abort` are collective: every rank makes the same calls in the same order.
public protocol Communicator: AnyObject {
  var rank: Int { get }
  var size: Int { get }
  /// Rank and size among the ranks of this host.
  var localRank: Int { get }
  var localSize: Int { get }

  func barrier() throws(CollectiveError)
  func reduce(_ values: inout [Double], _ reduction: Reduction) throws(CollectiveError)
  func reduce(_ values: inout [Int64], _ reduction: Reduction) throws(CollectiveError)
  /// `bytes` of `root` on every rank; all ranks pass buffers of the same size.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(CollectiveError)
  /// Equal numbers of bytes from every rank, in rank order.
  func gatherAll(_ mine: [UInt8]) throws(CollectiveError) -> [[UInt8]]

  /// Starts an in-place sum of integers or floats over ranks. The memory belongs to the sum until it is done.
  func startSum(_ values: UnsafeMutableBufferPointer<Int64>) throws(CollectiveError) -> any PendingSum
  func startSum(_ values: UnsafeMutableBufferPointer<Float>) throws(CollectiveError) -> any PendingSum

  /// Ends every rank of the job with this exit code.
  func abort(_ code: ExitCode) -> Never
}

/// A sum under way. Either `isDone` says so once, or `wait` is called, never both after the end.
public protocol PendingSum: AnyObject {
  /// Lets the library make progress. - Returns: whether the sum is complete.
  func isDone() throws(CollectiveError) -> Bool
  func wait() throws(CollectiveError)
}

extension Communicator {
  /// A value of rank `root` on every rank, as bytes of any length.
  public func broadcast(_ bytes: [UInt8], from root: Int = 0) throws(CollectiveError) -> [UInt8] {
    var length = [Int64(bytes.count)]
    try broadcastArray(&length, from: root)
    var copy = rank == root ? bytes : [UInt8](repeating: 0, count: Int(length[0]))
    try broadcastArray(&copy, from: root)
    return copy
  }

  /// An array of rank `root` on every rank; all ranks pass arrays of the same count.
  public func broadcastArray<Element: BitwiseCopyable>(_ values: inout [Element], from root: Int = 0) throws(CollectiveError) {
    let outcome = values.withUnsafeMutableBytes { buffer in
      Result { () throws(CollectiveError) in try broadcast(buffer, from: root) }
    }
    try outcome.get()
  }

  public func sum(_ value: Int) throws(CollectiveError) -> Int {
    var values = [Int64(value)]
    try reduce(&values, .sum)
    return Int(values[0])
  }

  public func maximum(_ value: Int) throws(CollectiveError) -> Int {
    var values = [Int64(value)]
    try reduce(&values, .maximum)
    return Int(values[0])
  }

  public func maximum(_ value: Double) throws(CollectiveError) -> Double {
    var values = [value]
    try reduce(&values, .maximum)
    return values[0]
  }

  public func sum(_ value: Double) throws(CollectiveError) -> Double {
    var values = [value]
    try reduce(&values, .sum)
    return values[0]
  }
}
