import Collectives
import Core

/// A communicator that calls back whenever the trainer comes to another phase, and may refuse to share memory.
final class Watched: Communicator {
  private let inner: MPICommunicator
  var atEveryPhase: (() -> Void)?
  private let sharesMemory: Bool

  init(_ inner: MPICommunicator, sharesMemory: Bool = true) { (self.inner, self.sharesMemory) = (inner, sharesMemory) }

  var rank: Int { inner.rank }
  var size: Int { inner.size }
  var localRank: Int { inner.localRank }
  var localSize: Int { inner.localSize }
  var stallSeconds: Double? {
    get { inner.stallSeconds }
    set { inner.stallSeconds = newValue }
  }
  var phase: Phase {
    get { inner.phase }
    set { inner.phase = newValue; atEveryPhase?() }
  }

  func barrier() throws(CollectiveError) { try inner.barrier() }
  func allReduce(_ values: inout [Double], _ reduction: Reduction) throws(CollectiveError) {
    try inner.allReduce(&values, reduction)
  }
  func allReduce(_ values: inout [Int64], _ reduction: Reduction) throws(CollectiveError) {
    try inner.allReduce(&values, reduction)
  }
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(CollectiveError) {
    try inner.broadcast(bytes, from: root)
  }
  func allGather(_ mine: [UInt8]) throws(CollectiveError) -> [[UInt8]] { try inner.allGather(mine) }
  func startAllReduce(_ values: UnsafeMutableBufferPointer<Int64>) throws(CollectiveError) -> any Request {
    try inner.startAllReduce(values)
  }
  func startAllReduce(_ values: UnsafeMutableBufferPointer<Float>) throws(CollectiveError) -> any Request {
    try inner.startAllReduce(values)
  }
  func startAllToAll(
    _ values: UnsafePointer<Int64>, parts: [Range<Int>], received: UnsafeMutablePointer<Int64>
  ) throws(CollectiveError) -> any Request { try inner.startAllToAll(values, parts: parts, received: received) }
  func startAllGather(_ values: UnsafeMutablePointer<Float>, parts: [Range<Int>]) throws(CollectiveError) -> any Request
  {
    try inner.startAllGather(values, parts: parts)
  }
  func shareMemory(bytes: Int) throws(CollectiveError) -> NodeMemory? {
    sharesMemory ? try inner.shareMemory(bytes: bytes) : nil
  }
  func beginWait() -> Wait { inner.beginWait() }
  func idle(_ wait: inout Wait) throws(CollectiveError) { try inner.idle(&wait) }
  func abort(_ code: ExitCode) -> Never { inner.abort(code) }
}
