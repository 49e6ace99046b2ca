import Core
import Glibc

/// Messages on standard error. A message that cannot be written is lost, and decides nothing: a log on a full disk, a
/// closed pipe, a reader that stands still.
public enum StandardError {
  /// Milliseconds that a reader may stand still before messages are lost; without a limit it would stop a run.
  private static let patience: Int32 = 10_000
  /// What may surround a line that is written over on a terminal. Anywhere else these are characters of foreign text.
  private static let (back, erase) = ("\r", "\u{1B}[K")

  /// Writes `text` with the control characters in it spelt out, but for those that begin and end a line of progress.
  public static func write(_ text: String) {
    var (head, middle, tail) = ("", text[...], "")
    if middle.unicodeScalars.first == "\r" { (head, middle) = (back, Substring(middle.unicodeScalars.dropFirst())) }
    if !head.isEmpty, middle.hasPrefix(erase) { (head, middle) = (head + erase, middle.dropFirst(erase.count)) }
    if middle.hasSuffix(erase) { (middle, tail) = (middle.dropLast(erase.count), erase) }
    writeBytes(Array((head + withoutControls(String(middle)) + tail).utf8))
  }

  private static func writeBytes(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard PatientWriting.isReady(STDERR_FILENO, milliseconds: patience) else { return }
      let written = rest.withUnsafeBytes {
        Glibc.write(STDERR_FILENO, $0.baseAddress, min($0.count, PatientWriting.piece))
      }
      if written < 0, errno == EINTR || errno == EAGAIN { continue }
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }
}

/// Writing to a stream that others share: it may be full for a while, or set to refuse instead of waiting.
enum PatientWriting {
  /// A pipe that is ready takes so many bytes without waiting.
  static let piece = 4096

  /// Waits until `descriptor` takes a piece, or fails for good. - Returns: false when it did neither in that time.
  static func isReady(_ descriptor: Int32, milliseconds: Int32) -> Bool {
    var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while true {
      let ready = poll(&request, 1, milliseconds)
      if ready < 0, errno == EINTR { continue }
      return ready != 0
    }
  }
}
