/// How a tensor's numbers are stored in a file.
public enum FloatFormat: String, Sendable, Codable, CaseIterable {
  case float32 = "F32"
  case bfloat16 = "BF16"
  case float16 = "F16"
  case float64 = "F64"

  public var byteCount: Int {
    switch self {
    case .float64: 8
    case .float32: 4
    case .bfloat16, .float16: 2
    }
  }

  /// The name `transformers` gives it in `config.json`.
  public var torchName: String {
    switch self {
    case .float32: "float32"
    case .bfloat16: "bfloat16"
    case .float16: "float16"
    case .float64: "float64"
    }
  }
}

/// The upper half of the nearest float whose lower half is zero; halfway cases go to the even one, and a
/// NaN stays a (quiet) NaN.
@inlinable func bfloat16Bits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
  return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
}

/// The value of a half-precision number: 1 sign bit, 5 exponent bits, 10 fraction bits. Every one is a float.
@inlinable func float(halfBits bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = UInt32(bits >> 10 & 31)
  let fraction = UInt32(bits & 1023)
  switch exponent {
  case 0: return Float(bitPattern: sign | (Float(fraction) * 0x1p-24).bitPattern)
  case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}
