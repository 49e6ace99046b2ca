import Core
import Glibc

/// Results on standard output. A result that cannot be written is an error: whoever reads the file must not take a part of it for the whole.
public enum StandardOutput {
  /// Writes every byte.
  /// - Throws: `FileError` with the system's reason, for a full disk, a closed stream or a closed pipe.
  public static func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    try AtomicFile.writeAll(bytes, to: STDOUT_FILENO, path: "standard output")
  }

  public static func write(_ text: String) throws(FileError) {
    let bytes = Array(text.utf8)
    let outcome = bytes.withUnsafeBytes { buffer in Result { () throws(FileError) in try write(buffer) } }
    try outcome.get()
  }

  /// Writes `text` and the end of a line.
  public static func line(_ text: String = "") throws(FileError) { try write(text + "\n") }
}
