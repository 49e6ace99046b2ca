import Core
import Glibc

/// A job of one rank without MPI: for tests, and for commands that need no other rank.
public final class SingleRank: Communicator {
  public let rank = 0
  public let size = 1
  public let localRank = 0
  public let localSize = 1

  public init() {}

  public func barrier() {}
  public func allReduce(_ values: inout [Double], _ reduction: Reduction) {}
  public func allReduce(_ values: inout [Int64], _ reduction: Reduction) {}
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {}
  public func allGather(_ mine: [UInt8]) -> [[UInt8]] { [mine] }
  public var phase = Phase("start") {
    didSet { Heartbeat.beat(at: phase) }
  }
  public var stallSeconds: Double? {
    didSet { Heartbeat.watch(seconds: stallSeconds, rank: 0) }
  }
  public func startAllReduce(_ values: UnsafeMutableBufferPointer<Int64>) -> any Request { Done() }
  public func startAllReduce(_ values: UnsafeMutableBufferPointer<Float>) -> any Request { Done() }

  public func startAllToAll(_ values: UnsafePointer<Int64>, parts: [Range<Int>], received: UnsafeMutablePointer<Int64>)
    -> any Request
  {
    received.update(from: values + parts[0].lowerBound, count: parts[0].count)
    return Done()
  }

  public func startAllGather(_ values: UnsafeMutablePointer<Float>, parts: [Range<Int>]) -> any Request { Done() }
  public func shareMemory(bytes: Int) -> NodeMemory? { nil }
  public func beginWait() -> Wait { Wait(number: 0) }
  public func idle(_ wait: inout Wait) {}
  public func abort(_ code: ExitCode) -> Never { exit(code.rawValue) }

  private final class Done: Request {
    func test() -> Bool { true }
  }
}
