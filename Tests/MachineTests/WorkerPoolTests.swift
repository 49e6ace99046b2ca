import Foundation
import Machine
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
  /// One thread computes on the caller's, unless the caller has other work to do.
  @Test func oneThread() {
    let caller = pthread_self()
    let isCaller = Atomic<Int>(0)
    let pool = WorkerPool(threads: 1)
    pool.run { _ in isCaller.store(pthread_equal(pthread_self(), caller) != 0 ? 1 : 2, ordering: .relaxed) }
    #expect(isCaller.load(ordering: .relaxed) == 1)
    let separate = WorkerPool(threads: 1, separate: true)
    defer { separate.stop() }
    let calls = Atomic<Int>(0)
    separate.run(whileWaiting: {
      calls.add(1, ordering: .relaxed); return true
    }) { _ in
      isCaller.store(pthread_equal(pthread_self(), caller) != 0 ? 1 : 2, ordering: .relaxed)
      while calls.load(ordering: .relaxed) < 3 { usleep(100) }
    }
    #expect(isCaller.load(ordering: .relaxed) == 2 && calls.load(ordering: .relaxed) >= 3)
    let sum = Atomic<Int>(0)
    separate.forEach(10) { sum.add($0, ordering: .relaxed) }
    #expect(sum.load(ordering: .relaxed) == 45)
  }
}
