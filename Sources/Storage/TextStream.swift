import Core

/// Text that a model writes, on its way to standard output: into a file or a pipe goes every byte as it is; a terminal
/// gets whole characters, control characters spelt out and invalid bytes as U+FFFD.
public struct TextStream {
  private let isTerminal: Bool
  private let sink: ([UInt8]) throws -> Void
  /// The beginning of a character whose end has not come yet.
  private var pending: [UInt8] = []

  public init(
    isTerminal: Bool = StandardOutput.isTerminal,
    sink: @escaping ([UInt8]) throws -> Void = { try StandardOutput.write($0) }
  ) {
    (self.isTerminal, self.sink) = (isTerminal, sink)
  }

  public mutating func write(_ text: String) throws { try write(Array(text.utf8)) }

  public mutating func write(_ bytes: [UInt8]) throws {
    guard isTerminal else { return try sink(bytes) }
    pending += bytes
    let whole = pending.count - Self.unfinished(pending)
    try show(Array(pending[..<whole]))
    pending.removeFirst(whole)
  }

  /// Writes what has no end, and the end of the line.
  public mutating func finish() throws {
    if isTerminal { try show(pending) }
    pending = []
    try sink([UInt8(ascii: "\n")])
  }

  private func show(_ bytes: [UInt8]) throws {
    if !bytes.isEmpty { try sink(Array(withoutControls(String(decoding: bytes, as: UTF8.self)).utf8)) }
  }

  /// How many bytes at the end begin a character that more bytes may complete: 0...3.
  static func unfinished(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 && byte < 0xF5 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1
      return byte < 0xF5 && length > back ? back : 0
    }
    return 0
  }
}
