import Core

/// A checkpoint, a weights file or a run folder that cannot be read, written or trusted.
public struct CheckpointError: LockstepError, Equatable {
  /// What was being done, such as `read` or `commit`.
  public let operation: String
  public let path: String
  public let problem: String
  public let remedy: String
  public let exitCode: ExitCode

  public init(_ operation: String, _ path: String, _ problem: String, remedy: String = "", exitCode: ExitCode = .data) {
    self.operation = operation
    self.path = path
    self.problem = printable(problem)
    self.remedy = remedy
    self.exitCode = exitCode
  }

  public var description: String {
    let sentence = "cannot \(operation) \(path): \(problem)."
    return remedy.isEmpty ? sentence : "\(sentence) \(remedy)"
  }
}

extension CheckpointError {
  /// The world's failure at a file, with the checkpoint it belongs to.
  init(_ error: FileError) {
    self.init(error.operation, error.path, error.reason, remedy: error.remedy, exitCode: error.exitCode)
  }

  /// Runs `work` and turns a file's failure into this module's error.
  static func wrapping<Value>(_ work: () throws(FileError) -> Value) throws(CheckpointError) -> Value {
    do { return try work() } catch { throw CheckpointError(error) }
  }
}
