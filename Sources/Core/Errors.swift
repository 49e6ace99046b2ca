/// What a process of Lockstep ends with. The numbers are part of the interface: schedulers and
/// `launch/until-done` decide by them whether to start the job again.
public enum ExitCode: Int32, Sendable, CaseIterable {
  case done = 0
  /// A fault of Lockstep itself, or of a library, that no other code describes.
  case failed = 1
  /// The command line or the configuration is wrong.
  case usage = 2
  /// The data, a tokeniser or a checkpoint offered as input cannot be used.
  case data = 3
  /// Replicas disagree: other binaries, another numerical environment, other weights.
  case diverged = 4
  /// Reading or writing failed: a full disk, a missing permission, a lost folder.
  case inputOutput = 5
  /// A value is not finite: NaN or infinity.
  case nonFinite = 6
  /// A rank stalled.
  case stalled = 7
  /// Another process holds the run folder: the same command may be right a moment later.
  case claimed = 8
  /// Stopped on request with a checkpoint: run the same command again.
  case again = 75
  /// Whoever read the output closed it; what a shell reports of any program that ends by SIGPIPE.
  case closedPipe = 141
}

/// An error with one clear sentence for a person and an exit code for a program.
public protocol LockstepError: Error, CustomStringConvertible, Sendable {
  var exitCode: ExitCode { get }
}

/// The user's mistake: a key, the value given, the rule it breaks, and what to do about it.
public struct ConfigurationError: LockstepError, Equatable {
  public struct Problem: Sendable, Equatable {
    /// Path of the key in the file, such as `objective.maskRatio`; empty for the file as a whole.
    public let key: String
    /// The sentence without the key, such as `is 1.5; it must lie in 0.01...0.9`.
    public let sentence: String

    public init(key: String, sentence: String) {
      self.key = printableName(key, atMost: 200)
      self.sentence = printableName(sentence, atMost: 600)
    }
  }

  public let problems: [Problem]
  /// `usage`, or another code where a key names something that cannot be used.
  public let exitCode: ExitCode

  public init(problems: [Problem], exitCode: ExitCode = .usage) {
    (self.problems, self.exitCode) = (problems, exitCode)
  }

  public init(_ key: String, _ sentence: String) { self.init(problems: [Problem(key: key, sentence: sentence)]) }

  public init(_ key: String, is value: some CustomStringConvertible, rule: String) {
    self.init(key, "is \(printableName("\(value)", atMost: 400)); \(rule)")
  }

  public var description: String {
    problems.map { $0.key.isEmpty ? $0.sentence : "\($0.key) \($0.sentence)" }.joined(separator: "\n")
  }
}

/// Data that cannot be used: where it is, what is wrong with it, what to do.
public struct DataError: LockstepError, Equatable {
  /// A path, with a line or a byte offset where one is known.
  public let place: String
  public let problem: String
  public let remedy: String

  public init(_ place: String, _ problem: String, remedy: String = "") {
    self.place = printableName(place)
    self.problem = printable(problem)
    self.remedy = remedy
  }

  public var exitCode: ExitCode { .data }

  public var description: String {
    let sentence = "\(place): \(problem)"
    return remedy.isEmpty ? sentence : "\(sentence) \(remedy)"
  }
}

/// The world's failure at a file: the operation, the path and the system's reason.
public struct FileError: LockstepError, Equatable {
  public let operation: String
  public let path: String
  public let reason: String
  public let remedy: String
  public let exitCode: ExitCode

  public init(
    _ operation: String, _ path: String, reason: String, remedy: String = "", exitCode: ExitCode = .inputOutput
  ) {
    self.operation = operation
    self.path = printableName(path)
    self.reason = printable(reason)
    self.remedy = remedy
    self.exitCode = exitCode
  }

  public var description: String {
    let sentence = "cannot \(operation) \(path): \(reason)."
    return remedy.isEmpty ? sentence : "\(sentence) \(remedy)"
  }
}

/// A value is not finite (NaN or infinity): which tensor, at which step.
public struct NumericsError: LockstepError, Equatable {
  public let problem: String

  public init(_ problem: String) { self.problem = problem }

  public var exitCode: ExitCode { .nonFinite }
  public var description: String { problem }
}
