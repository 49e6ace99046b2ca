import Core

/// A checkpoint, a weights file or a run folder that cannot be read, written or trusted.
public struct CheckpointError: LockstepError, Equatable {
  /// What was being done, such as `read` or `commit`.
  public let operation: String
  public let path: String
  public let problem: String
  public let remedy: String
  public let exitCode: ExitCode
  /// A newer version of the program wrote it: it is no damage, however little of it can be read.
  public let isOtherVersion: Bool

  public init(
    _ operation: String, _ path: String, _ problem: String, remedy: String = "", exitCode: ExitCode = .data,
    isOtherVersion: Bool = false
  ) {
    self.operation = operation
    self.path = printableName(path)
    self.problem = printable(problem)
    self.remedy = remedy
    self.exitCode = exitCode
    self.isOtherVersion = isOtherVersion
  }

  /// Whether the bytes were read and are wrong. What could not be read, or is of a newer version, may be as good as it
  /// ever was.
  public var isDamage: Bool { exitCode == .data && !isOtherVersion }

  public var description: String {
    let sentence = "cannot \(operation) \(path): \(problem)."
    return remedy.isEmpty ? sentence : "\(sentence) \(remedy)"
  }
}

extension CheckpointError {
  /// The same of a checkpoint that a run would go on from, with what that means for it.
  public var keepingFolder: CheckpointError {
    let kept = "The run does not resume from an older checkpoint, and nothing was changed."
    let advice =
      remedy.isEmpty && !isOtherVersion
      ? "Make it readable or restore it from a backup, and run the same command again." : remedy
    return CheckpointError(
      operation, path, problem, remedy: [kept, advice].filter { !$0.isEmpty }.joined(separator: " "),
      exitCode: exitCode, isOtherVersion: isOtherVersion)
  }

  /// The world's failure at a file, with the checkpoint it belongs to.
  init(_ error: FileError) {
    self.init(error.operation, error.path, error.reason, remedy: error.remedy, exitCode: error.exitCode)
  }

  /// Runs `work` and turns a file's failure into this module's error.
  public static func wrapping<Value>(_ work: () throws(FileError) -> Value) throws(CheckpointError) -> Value {
    do { return try work() } catch { throw CheckpointError(error) }
  }
}
