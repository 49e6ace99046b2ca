import CProcess
import Core
import Foundation
import Glibc
import Synchronization

/// Shows that this process still moves. Whoever makes progress beats: the main thread in every phase of a step and
/// while it waits for others, computing threads after every layer. A thread of its own ends the process when nobody has
/// beaten for too long: a hung disk, a deadlock, a library that does not return. What other ranks do is `StallWatch`'s
/// business.
public enum Heartbeat {
  private static let beats = Atomic<Int>(0)
  private static let last = Mutex(Phase("start"))
  private static let limit = Mutex<Double?>(nil)
  private static let isWatching = Atomic<Bool>(false)

  @inline(__always) public static func beat() { beats.wrappingAdd(1, ordering: .relaxed) }

  static func beat(at phase: Phase) {
    last.withLock { $0 = phase }
    lockstep_note_phase(Int64(phase.step ?? -1), phase.name)
    beat()
  }

  /// Ends this process with exit code 7 when it has not beaten for `seconds`; nil switches the watch off.
  public static func watch(seconds: Double?, rank: Int) {
    limit.withLock { $0 = seconds }
    // What was allowed under the old limit is not held against the new one.
    beat()
    guard seconds != nil, isWatching.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged
    else { return }
    let thread = Thread { run(rank) }
    thread.name = "lockstep watchdog"
    thread.start()
  }

  private static func run(_ rank: Int) {
    var (seen, since, looked) = (beats.load(ordering: .relaxed), ContinuousClock.now, ContinuousClock.now)
    while true {
      Thread.sleep(forTimeInterval: 0.25)
      let now = beats.load(ordering: .relaxed)
      // Who slept much longer than requested was paused together with everything else here.
      let wasPaused = (ContinuousClock.now - looked).inSeconds > StallWatch.pause
      looked = .now
      if now != seen || wasPaused { (seen, since) = (now, looked) }
      let silent = (ContinuousClock.now - since).inSeconds
      // Later than the ranks that wait for this one, which can say more.
      guard let limit = limit.withLock({ $0 }), silent > 1.25 * limit + 3 else { continue }
      let phase = last.withLock { $0 }
      let text =
        "[rank \(rank) on \(ProcessInfo.processInfo.hostName)] error: no progress in \(phase) for \(Int(silent)) s: the process hangs. Look at the disk and the host, then start the job again; machine.stall_seconds is the limit.\n"
      // Standard error may be a file on the very disk that hangs.
      let speaker = Thread { _ = Array(text.utf8).withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) } }
      speaker.start()
      Thread.sleep(forTimeInterval: 1)
      _exit(ExitCode.stalled.rawValue)
    }
  }
}
