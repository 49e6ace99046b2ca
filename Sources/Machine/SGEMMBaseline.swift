import Collectives
import Core
import Foundation
import Kernels
import Synchronization
import Tensors

/// The machine's own speed, measured in the same run as whatever it is compared with.
public enum SGEMMBaseline {
  /// Single-precision products of this rank, in flops per second: every thread of the pool multiplies 768 × 768
  /// matrices of its own for about `seconds`, all beginning together; what all of them computed is divided by the time
  /// until the last one ended.
  public static func sgemm(_ pool: WorkerPool, seconds: Double = 0.3) -> Double {
    let (work, ready, threads) = (MicroBatchTable(rows: pool.threads, columns: 3), Counter(), pool.threads)
    let origin = ContinuousClock.now
    pool.run { thread in
      let n = 768
      let arena = Arena(floats: 3 * n * n)
      let (a, b, c) = (arena.matrix(n, n), arena.matrix(n, n), arena.matrix(n, n))
      a.fill(0.5)
      b.fill(0.25)
      gemm(a, b, into: c)
      // More threads than CPUs would otherwise run one behind the other, each at the rate of a whole CPU.
      ready.value.add(1, ordering: .acquiringAndReleasing)
      while ready.value.load(ordering: .acquiring) < threads { sched_yield() }
      let start = ContinuousClock.now
      var products = 0
      while (ContinuousClock.now - start).inSeconds < seconds {
        gemm(a, b, into: c)
        products += 1
      }
      work.set(
        thread,
        [
          2 * Double(n * n * n) * Double(products), (start - origin).inSeconds,
          (ContinuousClock.now - origin).inSeconds,
        ])
    }
    let rows = work.local
    let (first, last) = rows.reduce((Double.infinity, 0)) { (min($0.0, $1[1]), max($0.1, $1[2])) }
    return rows.reduce(0) { $0 + $1[0] } / (last - first)
  }

  /// Threads that have come so far.
  private final class Counter: Sendable {
    let value = Atomic(0)
  }

  /// The largest resident size of this process so far, in bytes.
  public static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }
}
