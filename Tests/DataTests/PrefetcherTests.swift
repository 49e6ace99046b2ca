import Core
@testable import Data
import DataSupport
import Foundation
import Synchronization
import Testing

@Suite struct PrefetcherTests {
  struct Broken: Error, Equatable { var index: Int }

  @Test(arguments: [1, 2, 5])
  func valuesComeInOrder(_ depth: Int) throws {
    let prefetcher = Prefetcher(depth: depth, start: 7) { $0 * $0 }
    for index in 7..<200 { #expect(try prefetcher.next() == index * index) }
  }

  @Test func anErrorComesAtItsIndexAndStays() throws {
    let calls = Mutex(0)
    let prefetcher = Prefetcher(depth: 40) { index in
      calls.withLock { $0 += 1 }
      if index >= 3 { throw Broken(index: index) }
      return index
    }
    for index in 0..<3 { #expect(try prefetcher.next() == index) }
    for _ in 0..<2 { #expect(throws: Broken(index: 3)) { try prefetcher.next() } }
    Thread.sleep(forTimeInterval: 0.01)
    #expect(calls.withLock { $0 } == 4, "nothing is produced after an error")
    prefetcher.stop()
  }

  @Test func noMoreThanTheDepthIsAhead() throws {
    let produced = Mutex(0)
    let prefetcher = Prefetcher(depth: 3) { index in
      produced.withLock { $0 = index + 1 }
      return index
    }
    for index in 0..<50 {
      #expect(try prefetcher.next() == index)
      Thread.sleep(forTimeInterval: 0.002)
      #expect(produced.withLock { $0 } <= index + 1 + 3)
    }
    // However busy the machine is, its thread gets there.
    for _ in 0..<6000 where produced.withLock({ $0 }) <= 50 { Thread.sleep(forTimeInterval: 0.01) }
    #expect(produced.withLock { $0 } > 50, "it works ahead")
  }

  @Test func stoppingWaitsForTheThread() throws {
    let running = Mutex(false)
    var prefetcher: Prefetcher<Int>? = Prefetcher(depth: 2) { index in
      running.withLock { $0 = true }
      Thread.sleep(forTimeInterval: 0.05)
      running.withLock { $0 = false }
      return index
    }
    _ = try prefetcher?.next()
    prefetcher?.stop()
    #expect(!running.withLock { $0 })
    #expect(sentence { _ = try prefetcher?.next() } == "prefetcher: was stopped before this value was taken.")
    prefetcher?.stop()
    prefetcher = nil
  }

  @Test func releasingEndsTheThread() throws {
    final class Witness: Sendable {}
    weak var witness: Witness?
    do {
      let strong = Witness()
      witness = strong
      let prefetcher = Prefetcher(depth: 2) { [strong] index in
        withExtendedLifetime(strong) { index }
      }
      #expect(try prefetcher.next() == 0)
    }
    // The thread drops its closure just after it has been waited for.
    for _ in 0..<6000 where witness != nil { Thread.sleep(forTimeInterval: 0.01) }
    #expect(witness == nil)
  }
}
