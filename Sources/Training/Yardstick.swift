import Foundation
import Kernels
import Tensors

/// The machine's own speed, measured in the same run as whatever it is compared with.
public enum Yardstick {
  /// Single-precision products of this rank, in flops a second: every thread of the pool multiplies 768 × 768 matrices of
  /// its own for about `seconds`, and the rates are added.
  public static func sgemm(_ pool: WorkerPool, seconds: Double = 0.3) -> Double {
    let rates = Slots(rows: pool.threads, columns: 1)
    pool.run { thread in
      let n = 768
      let arena = Arena(floats: 3 * n * n)
      let (a, b, c) = (arena.matrix(n, n), arena.matrix(n, n), arena.matrix(n, n))
      a.fill(0.5)
      b.fill(0.25)
      multiply(a, b, into: c)
      let start = ContinuousClock.now
      var products = 0
      while (ContinuousClock.now - start).inSeconds < seconds {
        multiply(a, b, into: c)
        products += 1
      }
      let elapsed = (ContinuousClock.now - start).inSeconds
      rates.set(thread, [2 * Double(n * n * n) * Double(products) / elapsed])
    }
    return rates.local.reduce(0) { $0 + $1[0] }
  }

  /// The largest resident size of this process so far, in bytes.
  public static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }
}
