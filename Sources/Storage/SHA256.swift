import CCrypto
import Core

/// A SHA-256 in the making, over libcrypto.
public struct SHA256: ~Copyable {
  // libcrypto's context is owned by this value alone and freed with it.
  private let context: OpaquePointer

  public init() {
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
      preconditionFailure("libcrypto has no SHA-256")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    let code = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    precondition(code == 1, "libcrypto refused to hash \(bytes.count) bytes")
  }

  public mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
  }

  /// The digest in lower-case hexadecimal, 64 characters.
  public consuming func finish() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    let code = EVP_DigestFinal_ex(context, &digest, nil)
    precondition(code == 1, "libcrypto could not finish a SHA-256")
    return hexadecimal(digest)
  }

  public static func of(_ bytes: UnsafeRawBufferPointer) -> String {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  public static func of(_ text: String) -> String {
    var hash = SHA256()
    hash.update(text)
    return hash.finish()
  }

  public static func of(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { of($0) } }
}

/// Lower-case hexadecimal, two characters per byte.
public func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
