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
  public func startSum(_ values: UnsafeMutableBufferPointer<Int64>) -> any PendingSum { Done() }
  public func startSum(_ values: UnsafeMutableBufferPointer<Float>) -> any PendingSum { Done() }
  public func abort(_ code: ExitCode) -> Never { exit(code.rawValue) }

  private final class Done: PendingSum {
    func isDone() -> Bool { true }
    func wait() {}
  }
}
