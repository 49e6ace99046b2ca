import Glibc

/// Hands every line of `bytes` that has its end to `body`, without the end and without a copy.
///
/// - Returns: where the last of them ends: bytes behind it are a line that is being written, or was torn.
/// - Complexity: one pass.
@discardableResult
public func forEachLine(of bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows
  -> Int
{
  guard let base = bytes.baseAddress else { return 0 }
  var start = 0
  while start < bytes.count, let newline = memchr(base + start, Int32(UInt8(ascii: "\n")), bytes.count - start) {
    let end = base.distance(to: UnsafeRawPointer(newline))
    try body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
    start = end + 1
  }
  return start
}
