import CProcess
import Glibc

/// Signals that ask a run to save and stop. A handler may only set a flag; all ranks agree on the step in the next sum
/// of counts.
public enum StopRequest {
  /// SIGUSR1, SIGTERM, SIGINT and SIGHUP ask to stop. A second SIGINT ends the process at once, as people expect.
  ///
  /// For `train` and `compare` the handlers are there before the main function; this is for every other way in.
  public static func install() { lockstep_install_stop_handlers() }

  /// For a command that has nothing to save: the signals end the process again, and one that has come ends it now.
  public static func remove() { lockstep_remove_stop_handlers() }

  public static var isPending: Bool { lockstep_stop_signal() != 0 }

  /// For tests, and for code that stops a run by itself.
  public static func raise() { lockstep_set_stop_signal(SIGTERM) }
  public static func clear() { lockstep_set_stop_signal(0) }
}
