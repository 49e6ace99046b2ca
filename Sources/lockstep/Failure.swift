import ArgumentParser
import Core
import Foundation
import Storage

/// Turns errors into a sentence on standard error and an exit code.
enum Failure {
  /// Already printed by the rank that had it.
  struct Reported: Error { let code: Core.ExitCode }

  static func code(of error: any Error) -> Int32 {
    switch error {
    case let error as Reported: error.code.rawValue
    case let error as any LockstepError: error.exitCode.rawValue
    default: Core.ExitCode.failed.rawValue
    }
  }

  static func sentence(_ error: any Error) -> String {
    if let error = error as? any LockstepError { return error.description }
    return (error as NSError).localizedDescription == "\(error)" ? "\(error)" : String(describing: error)
  }

  /// Says what went wrong; nothing where the reader of the output has gone, which is nobody's mistake.
  static func report(_ error: any Error, prefix: String = "") {
    guard code(of: error) != Core.ExitCode.closedPipe.rawValue else { return }
    let lines = sentence(error).split(separator: "\n").map { "\(prefix)error: \($0)" }.joined(separator: "\n")
    StandardError.write(lines + "\n")
  }

  /// Ends the process: argument-parser's own messages keep their form, its code for wrong usage becomes 2.
  static func end(_ error: any Error) -> Never {
    if error is Reported { exit(code(of: error)) }
    if error is any LockstepError {
      report(error)
      exit(code(of: error))
    }
    let parsed = Lockstep.exitCode(for: error)
    // All ranks have one command line. mpirun ends the others when the first one leaves with an error.
    if startedRank() > 0 {
      if parsed != .success { Thread.sleep(forTimeInterval: 1) }
      exit(parsed == .success ? 0 : Core.ExitCode.usage.rawValue)
    }
    let text = Lockstep.fullMessage(for: error)
    if parsed == .success {
      if text.isEmpty { exit(0) }
      do { try StandardOutput.line(text) } catch { end(error) }
      exit(0)
    }
    StandardError.write(text + "\n")
    exit(parsed == .validationFailure ? Core.ExitCode.usage.rawValue : Core.ExitCode.failed.rawValue)
  }
}
