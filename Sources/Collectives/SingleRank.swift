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
  public func reduce(_ values: inout [Double], _ reduction: Reduction) {}
  public func reduce(_ values: inout [Int64], _ reduction: Reduction) {}
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {}
  public func gatherAll(_ mine: [UInt8]) -> [[UInt8]] { [mine] }
  public var place = Place("start") {
    didSet { Heartbeat.beat(at: place) }
  }
  public var stallSeconds: Double? {
    didSet { Heartbeat.watch(seconds: stallSeconds, rank: 0) }
  }
  public func startSum(_ values: UnsafeMutableBufferPointer<Int64>) -> any Pending { Done() }
  public func startSum(_ values: UnsafeMutableBufferPointer<Float>) -> any Pending { Done() }

  public func startExchange(_ values: UnsafePointer<Int64>, parts: [Range<Int>], received: UnsafeMutablePointer<Int64>) -> any Pending {
    received.update(from: values + parts[0].lowerBound, count: parts[0].count)
    return Done()
  }

  public func startSpread(_ values: UnsafeMutablePointer<Float>, parts: [Range<Int>]) -> any Pending { Done() }
  public func beginWait() -> Wait { Wait(number: 0) }
  public func idle(_ wait: inout Wait) {}
  public func abort(_ code: ExitCode) -> Never { exit(code.rawValue) }

  private final class Done: Pending {
    func isDone() -> Bool { true }
  }
}
