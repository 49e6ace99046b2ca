import Core
import Glibc

/// Results on standard output. A result that cannot be written is an error: whoever reads the file must not take a part
/// of it for the whole.
public enum StandardOutput {
  /// Whether a person looks at it. Under mpirun it is not, whatever lies behind.
  public static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

  /// Writes every byte as it is.
  /// - Throws: `FileError` with the system's reason for a full disk or a closed stream; one with `closedPipe` where the
  ///   reader has gone.
  public static func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var offset = 0
    while offset < bytes.count {
      let written = Glibc.write(STDOUT_FILENO, bytes.baseAddress! + offset, min(bytes.count - offset, 1 << 30))
      if written < 0 {
        if errno == EINTR { continue }
        if errno == EAGAIN, PatientWriting.isReady(STDOUT_FILENO, milliseconds: -1) { continue }
        let code: ExitCode = errno == EPIPE ? .closedPipe : .inputOutput
        throw FileError(
          "write", "standard output", reason: errno == EBADF ? "it is closed" : systemReason(), exitCode: code)
      }
      offset += written
    }
  }

  public static func write(_ bytes: [UInt8]) throws(FileError) {
    let outcome = bytes.withUnsafeBytes { buffer in Result { () throws(FileError) in try write(buffer) } }
    try outcome.get()
  }

  /// Writes `text` as it is.
  public static func write(_ text: String) throws(FileError) { try write(Array(text.utf8)) }

  /// Writes `text`, in which control characters are spelt out, and the end of a line.
  public static func line(_ text: String = "") throws(FileError) { try write(withoutControls(text) + "\n") }
}
