import Core
import Glibc

/// What comes through standard input.
public enum StandardInput {
  /// Reads to the end.
  /// - Throws: `FileError` with the system's reason, for a closed stream too, and when there are more than `most`
  ///   bytes.
  public static func bytes(atMost most: Int = 1 << 30) throws(FileError) -> [UInt8] {
    var result: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = block.withUnsafeMutableBytes { Glibc.read(STDIN_FILENO, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        var request = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        if errno == EAGAIN, poll(&request, 1, -1) != 0 { continue }
        throw FileError("read", "standard input", reason: errno == EBADF ? "it is closed" : systemReason())
      }
      if count == 0 { return result }
      guard result.count + count <= most else {
        throw FileError("read", "standard input", reason: "it has more than \(most) bytes")
      }
      result += block[..<count]
    }
  }
}
