/// One character read from bytes that may not be UTF-8.
@frozen public struct DecodedScalar {
  /// The scalar value; `UTF8Reader.invalid` for a byte that begins no valid character.
  public let value: UInt32
  /// Bytes it takes: 1 for an invalid byte.
  public let length: Int

  @inlinable init(value: UInt32, length: Int) { (self.value, self.length) = (value, length) }
}

/// UTF-8 read one character at a time.
public enum UTF8Reader {
  /// Not a scalar value. It has no class, so that an invalid byte is treated like a symbol and kept as it is.
  @inlinable public static var invalid: UInt32 { 0x11_0000 }

  /// The character at `index` of `text` as UTF-8 (RFC 3629: no surrogates, no overlong forms), seen up to `end`.
  @inlinable @inline(__always) public static func decode(_ text: UnsafePointer<UInt8>, at index: Int, end: Int)
    -> DecodedScalar
  {
    let first = text[index]
    return first < 0x80
      ? DecodedScalar(value: UInt32(first), length: 1) : decodeLong(text + index, available: end - index)
  }

  @usableFromInline static func decodeLong(_ text: UnsafePointer<UInt8>, available: Int) -> DecodedScalar {
    let bad = DecodedScalar(value: invalid, length: 1)
    let first = text[0]
    let length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0
    guard length > 0, length <= available else { return bad }
    var value = UInt32(first) & (0xFF >> UInt32(length + 1))
    for offset in 1..<length {
      guard text[offset] & 0xC0 == 0x80 else { return bad }
      value = value << 6 | UInt32(text[offset] & 0x3F)
    }
    let least: UInt32 = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x1_0000
    guard value >= least, value < 0x11_0000, !(0xD800...0xDFFF).contains(value) else { return bad }
    return DecodedScalar(value: value, length: length)
  }

  /// The character that ends just before `index`, not reaching below `start`.
  public static func decodeBackward(_ text: UnsafePointer<UInt8>, before index: Int, start: Int) -> DecodedScalar {
    for length in 1...4 where index - length >= start {
      let scalar = decode(text, at: index - length, end: index)
      if scalar.value != invalid, scalar.length == length { return scalar }
    }
    return DecodedScalar(value: invalid, length: 1)
  }
}
