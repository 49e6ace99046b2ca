import Core
import Foundation
import Storage

/// Turns errors into a sentence on standard error and an exit code.
public enum Failure {
  /// Already printed by the rank that had it.
  public struct Reported: Error {
    public let code: Core.ExitCode

    public init(code: Core.ExitCode) { self.code = code }
  }

  /// The exit code that an error stands for.
  public static func code(of error: any Error) -> Int32 {
    switch error {
    case let error as Reported: error.code.rawValue
    case let error as any LockstepError: error.exitCode.rawValue
    default: Core.ExitCode.failed.rawValue
    }
  }

  /// What is wrong, for a person.
  public static func sentence(_ error: any Error) -> String {
    if let error = error as? any LockstepError { return error.description }
    return (error as NSError).localizedDescription == "\(error)" ? "\(error)" : String(describing: error)
  }

  /// Says what went wrong; nothing where the reader of the output has gone, which is nobody's mistake.
  public static func report(_ error: any Error, prefix: String = "") {
    guard code(of: error) != Core.ExitCode.closedPipe.rawValue else { return }
    let lines = sentence(error).split(separator: "\n").map { "\(prefix)error: \($0)" }.joined(separator: "\n")
    StandardError.write(lines + "\n")
  }
}
