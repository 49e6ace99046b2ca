import Core

/// A failing collective: which one, on which rank, and MPI's reason.
public struct CollectiveError: LockstepError, Equatable {
  public let operation: String
  public let rank: Int
  public let reason: String
  public let exitCode: ExitCode

  public init(_ operation: String, rank: Int, reason: String, exitCode: ExitCode = .failed) {
    (self.operation, self.rank, self.reason, self.exitCode) = (operation, rank, reason, exitCode)
  }

  public var description: String { "\(operation) failed on rank \(rank): \(reason)" }
}

/// The phase of the program that a rank is in: what a report about a stalled job names.
public struct Phase: Sendable, Equatable, CustomStringConvertible {
  /// nil outside of steps.
  public var step: Int?
  public var name: String

  public init(step: Int? = nil, _ name: String) { (self.step, self.name) = (step, name) }

  public var description: String { step.map { "'\(name)' of step \($0)" } ?? "'\(name)'" }
}

/// An operation over ranks.
public enum Reduction: Sendable { case sum, minimum, maximum }

/// The ranks of a job. One thread of each rank, always the same, talks to it; the type is not `Sendable` for that
/// reason.
///
/// All calls but `abort` are collective: every rank makes the same calls in the same order.
public protocol Communicator: AnyObject {
  var rank: Int { get }
  var size: Int { get }
  /// Rank and size among the ranks of this host.
  var localRank: Int { get }
  var localSize: Int { get }
  /// What this rank is doing, for the report of a stall.
  var phase: Phase { get set }
  /// Seconds a rank may keep the others waiting, or not move at all, before the job is ended; nil waits for ever.
  var stallSeconds: Double? { get set }

  func barrier() throws(CollectiveError)
  func allReduce(_ values: inout [Double], _ reduction: Reduction) throws(CollectiveError)
  func allReduce(_ values: inout [Int64], _ reduction: Reduction) throws(CollectiveError)
  /// `bytes` of `root` on every rank; all ranks pass buffers of the same size.
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(CollectiveError)
  /// Equal numbers of bytes from every rank, in rank order.
  func allGather(_ mine: [UInt8]) throws(CollectiveError) -> [[UInt8]]

  /// Starts an in-place sum of integers or floats over ranks. The memory belongs to the sum until it is done.
  func startAllReduce(_ values: UnsafeMutableBufferPointer<Int64>) throws(CollectiveError) -> any Request
  func startAllReduce(_ values: UnsafeMutableBufferPointer<Float>) throws(CollectiveError) -> any Request

  /// Starts an exchange: this rank receives its own part of every rank's `values`, one after the other in rank order.
  ///
  /// - Parameters:
  ///   - parts: one range of `values` per rank, the same on all of them.
  ///   - received: memory for `size` times this rank's part.
  func startAllToAll(
    _ values: UnsafePointer<Int64>, parts: [Range<Int>], received: UnsafeMutablePointer<Int64>
  ) throws(CollectiveError) -> any Request

  /// Starts to give every rank the parts of all: rank r's own `parts[r]` of `values` ends up on every rank. These start
  /// in the same order on all ranks among themselves, whatever else is started in between.
  func startAllGather(_ values: UnsafeMutablePointer<Float>, parts: [Range<Int>]) throws(CollectiveError) -> any Request

  /// Memory that all ranks see, with a piece of at least `bytes` bytes for each; nil where they are not all on one
  /// node, or the system does not let them share. Collective.
  func shareMemory(bytes: Int) throws(CollectiveError) -> NodeMemory?

  /// Begins to wait for something that all ranks take part in. - Returns: the wait, to be handed to `idle`.
  func beginWait() -> Wait
  /// One turn of waiting: gives the processor away for a moment and, now and then, looks whether the job has stalled.
  ///
  /// - Throws: `CollectiveError` with exit code 7 that names the ranks which have not arrived for too long.
  func idle(_ wait: inout Wait) throws(CollectiveError)

  /// Ends every rank of the job with this exit code.
  func abort(_ code: ExitCode) -> Never
}

/// A collective under way. Complete when `test` says so once; not to be tested again after that.
public protocol Request: AnyObject {
  /// Lets the library make progress. - Returns: whether it is complete.
  func test() throws(CollectiveError) -> Bool
}

/// A wait of this rank, counted from the start of the job: waits with the same number belong together on all ranks.
public struct Wait {
  let number: Int
  var started: ContinuousClock.Instant
  var lastLook: ContinuousClock.Instant
  var turns = 0
  var hasReported = false

  public init(number: Int) {
    self.number = number
    started = .now
    lastLook = started
  }

  /// Something has arrived: what is waited for is slow, not lost.
  public mutating func progress() { started = .now }
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
  public func broadcastArray<Element: BitwiseCopyable>(_ values: inout [Element], from root: Int = 0)
    throws(CollectiveError)
  {
    let outcome = values.withUnsafeMutableBytes { buffer in
      Result { () throws(CollectiveError) in try broadcast(buffer, from: root) }
    }
    try outcome.get()
  }

  public func sum(_ value: Int) throws(CollectiveError) -> Int {
    var values = [Int64(value)]
    try allReduce(&values, .sum)
    return Int(values[0])
  }

  public func maximum(_ value: Int) throws(CollectiveError) -> Int {
    var values = [Int64(value)]
    try allReduce(&values, .maximum)
    return Int(values[0])
  }

  public func maximum(_ value: Double) throws(CollectiveError) -> Double {
    var values = [value]
    try allReduce(&values, .maximum)
    return values[0]
  }

  public func sum(_ value: Double) throws(CollectiveError) -> Double {
    var values = [value]
    try allReduce(&values, .sum)
    return values[0]
  }
}
