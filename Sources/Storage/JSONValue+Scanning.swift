extension JSONValue {
  /// Goes over a document that is one object without keeping any of it, and hands every member's name and value, as
  /// they are spelt, to `body`. Names with escapes come as they stand; whether texts are UTF-8 is not checked.
  ///
  /// - Returns: whether the document is an object that ends where the bytes end; members may have been handed over
  ///   before it turns out that it is not.
  /// - Complexity: one pass, no allocation.
  public static func scan(
    _ bytes: UnsafeRawBufferPointer,
    _ body: (_ name: Slice<UnsafeRawBufferPointer>, _ value: Slice<UnsafeRawBufferPointer>) -> Void
  ) -> Bool {
    var reader = JSONReader(bytes: bytes)
    reader.skipSpaces()
    guard reader.next == UInt8(ascii: "{") else { return false }
    do throws(JSONProblem) { try reader.skipMembers(depth: 0, body) } catch { return false }
    reader.skipSpaces()
    return reader.offset == bytes.count
  }

  /// An integer of at most 18 digits, spelt as one; nil for anything else.
  public static func integer(spelt text: some Collection<UInt8>) -> Int? {
    guard (1...18).contains(text.count) else { return nil }
    var value = 0
    for byte in text {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      value = 10 * value + Int(byte - UInt8(ascii: "0"))
    }
    return value
  }
}

extension JSONReader {
  fileprivate mutating func skip(depth: Int) throws(JSONProblem) {
    guard depth <= 128 else { throw problem("more than 128 levels of nesting") }
    skipSpaces()
    switch next {
    case UInt8(ascii: "{"): try skipMembers(depth: depth) { _, _ in }
    case UInt8(ascii: "["):
      offset += 1
      skipSpaces()
      if take("]") { return }
      repeat {
        try skip(depth: depth + 1)
        skipSpaces()
      } while take(",")
      guard take("]") else { throw problem("a comma or a closing bracket is missing") }
    case UInt8(ascii: "\""): try skipQuoted()
    case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): try skipNumber()
    default: _ = try value(depth: depth)
    }
  }

  fileprivate mutating func skipMembers(
    depth: Int, _ body: (Slice<UnsafeRawBufferPointer>, Slice<UnsafeRawBufferPointer>) -> Void
  ) throws(JSONProblem) {
    offset += 1
    skipSpaces()
    if take("}") { return }
    repeat {
      skipSpaces()
      let name = offset
      guard next == UInt8(ascii: "\"") else { throw problem("a name in quotes is missing") }
      try skipQuoted()
      let end = offset
      skipSpaces()
      guard take(":") else { throw problem("a colon is missing") }
      skipSpaces()
      let first = offset
      try skip(depth: depth + 1)
      body(bytes[name + 1..<end - 1], bytes[first..<offset])
      skipSpaces()
    } while take(",")
    guard take("}") else { throw problem("a comma or a closing brace is missing") }
  }

  private mutating func skipQuoted() throws(JSONProblem) {
    guard let end = plainEnd(from: offset + 1) else {
      _ = try quoted()
      return
    }
    offset = end + 1
  }
}
