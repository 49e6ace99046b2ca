import ArgumentParser
import Core
import Foundation
import Runs
import Storage

extension Failure {
  /// Ends the process: argument-parser's own messages keep their form, its code for wrong usage becomes 2.
  static func end(_ error: any Error) -> Never {
    if error is Reported { exit(code(of: error)) }
    if error is any LockstepError {
      report(error)
      exit(code(of: error))
    }
    let parsed = LockstepCommand.exitCode(for: error)
    // All ranks have one command line. mpirun ends the others when the first one leaves with an error.
    if startedRank() > 0 {
      if parsed != .success { Thread.sleep(forTimeInterval: 1) }
      exit(parsed == .success ? 0 : Core.ExitCode.usage.rawValue)
    }
    let text = LockstepCommand.fullMessage(for: error)
    if parsed == .success {
      if text.isEmpty { exit(0) }
      do { try StandardOutput.line(text) } catch { end(error) }
      exit(0)
    }
    StandardError.write(text + "\n")
    exit(parsed == .validationFailure ? Core.ExitCode.usage.rawValue : Core.ExitCode.failed.rawValue)
  }
}
