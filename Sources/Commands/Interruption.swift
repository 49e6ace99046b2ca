import Comparison
import Glibc
import Synchronization

/// A signal that asks a command to stop: what it has begun is removed first, then the process ends by that signal. A
/// second signal ends it at once.
struct Interruption: Error {
  private static let received = Atomic<Int32>(0)
  private static let numbers = [SIGINT, SIGTERM, SIGHUP]

  /// From now on signals are noted. One that is ignored, as under `nohup`, stays ignored.
  static func watch() {
    for number in numbers {
      var action = sigaction()
      sigaction(number, nil, &action)
      if action.__sigaction_handler.sa_handler.map({ unsafeBitCast($0, to: Int.self) })
        == unsafeBitCast(SIG_IGN, to: Int.self)
      {
        continue
      }
      action = sigaction()
      action.__sigaction_handler.sa_handler = { number in Interruption.received.store(number, ordering: .relaxed) }
      action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
      sigaction(number, &action, nil)
    }
    // A file that may grow no further is an error of writing, with a sentence.
    signal(SIGXFSZ, SIG_IGN)
  }

  /// - Throws: itself once a signal has come.
  static func check() throws(Interruption) {
    if received.load(ordering: .relaxed) != 0 { throw Interruption() }
  }

  /// Ends the process as the signal would have, once one has come.
  static func endIfReceived() {
    let number = received.load(ordering: .relaxed)
    if number == 0 { return }
    signal(number, SIG_DFL)
    raise(number)
    exit(128 + number)
  }
}
