import Glibc
import Synchronization

/// Signals that ask a run to save and stop. A handler may only set a flag; all ranks agree on the step in the next sum of counts.
public enum StopRequest {
  // Lock-free, so it may be written from a signal handler.
  private static let flag = Atomic<Bool>(false)

  /// SIGUSR1, SIGTERM and SIGINT ask to stop. A second SIGINT ends the process at once, as people expect.
  public static func install() {
    let handler: @convention(c) (Int32) -> Void = { signal in
      if signal == SIGINT, StopRequest.flag.load(ordering: .relaxed) { _exit(130) }
      StopRequest.flag.store(true, ordering: .relaxed)
    }
    for number in [SIGUSR1, SIGTERM, SIGINT] { signal(number, handler) }
    // A file beyond the size limit is an error to report, not a reason to die.
    signal(SIGXFSZ, SIG_IGN)
    signal(SIGPIPE, SIG_IGN)
  }

  public static var isPending: Bool { flag.load(ordering: .relaxed) }

  /// For tests, and for code that stops a run by itself.
  public static func raise() { flag.store(true, ordering: .relaxed) }
  public static func clear() { flag.store(false, ordering: .relaxed) }
}
