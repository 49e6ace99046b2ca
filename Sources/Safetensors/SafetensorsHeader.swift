import Core
import Storage

/// A tensor of a safetensors file, as the header describes it.
public struct TensorDescription: Sendable, Equatable, Codable {
  public let name: String
  public let format: String
  public let shape: [Int]
  /// Bytes from the start of the file.
  public let bytes: Range<Int>

  /// Numbers in the tensor; 1 for a scalar. Sizes beside a zero may be anything, so they are not multiplied.
  public var count: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }
}

/// The header of a safetensors file: eight bytes with its length, little-endian, then JSON.
///
/// Invariant: a byte of the file is read only after a check that it is inside `file`, which outlives the call of
/// `init`.
///
/// Reference: the format's description, https://huggingface.co/docs/safetensors.
struct SafetensorsHeader: Equatable {
  /// A longer header than this is damage, not a model (the limit of the reference implementation).
  static let longest = 100_000_000

  /// Bytes an element has, by dtype; those this project cannot convert can still be listed.
  static let elementBytes: [String: Int] = [
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4,
    "F32": 4, "I64": 8, "U64": 8, "F64": 8, "C64": 8,
  ]

  /// In the order of their bytes.
  let tensors: [TensorDescription]
  let metadata: [String: String]

  /// Reads and checks the header of `file`: every tensor lies inside it, fills exactly the bytes its shape
  /// needs, and the tensors together cover the rest of the file without gap or overlap.
  init(of file: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
    let length = try Self.length(of: file, path: path)
    let document: JSONValue
    do {
      document = try JSONValue.parse(UnsafeRawBufferPointer(rebasing: file[8..<8 + length]))
    } catch {
      throw Self.damaged(path, "its header is not valid JSON: \(error)")
    }
    guard let members = document.members else { throw Self.damaged(path, "its header is not a JSON object") }
    var metadata: [String: String] = [:]
    var tensors: [TensorDescription] = []
    for member in members {
      if member.name == "__metadata__" {
        metadata = try Self.metadata(member.value, path: path)
      } else {
        tensors.append(try Self.tensor(member, start: 8 + length, end: file.count, path: path))
      }
    }
    tensors.sort {
      ($0.bytes.lowerBound, $0.bytes.upperBound, $0.name) < ($1.bytes.lowerBound, $1.bytes.upperBound, $1.name)
    }
    try Self.checkCoverage(tensors, start: 8 + length, end: file.count, path: path)
    self.tensors = tensors
    self.metadata = metadata
  }

  private static func damaged(_ path: String, _ problem: String) -> CheckpointError {
    CheckpointError("read", path, problem)
  }

  private static func length(of file: UnsafeRawBufferPointer, path: String) throws(CheckpointError) -> Int {
    guard file.count >= 8 else {
      throw damaged(
        path, "it has \(file.count) bytes, and a safetensors file begins with the 8 bytes of its header's length")
    }
    let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(longest) else {
      throw damaged(path, "its header claims \(length) bytes; at most \(longest) are allowed")
    }
    guard Int(length) <= file.count - 8 else {
      throw damaged(path, "its header claims \(length) bytes, and the file has only \(file.count - 8) after the length")
    }
    return Int(length)
  }

  private static func metadata(_ value: JSONValue, path: String) throws(CheckpointError) -> [String: String] {
    guard let members = value.members else { throw damaged(path, "__metadata__ is not a JSON object") }
    var metadata: [String: String] = [:]
    for member in members {
      guard let text = member.value.string else { throw damaged(path, "__metadata__.\(member.name) is not a text") }
      metadata[member.name] = text
    }
    return metadata
  }

  private static func tensor(
    _ member: JSONValue.Member, start: Int, end: Int, path: String
  ) throws(CheckpointError) -> TensorDescription {
    let name = member.name
    func refuse(_ problem: String) -> CheckpointError { damaged(path, "tensor \(name) \(problem)") }
    guard let format = member.value["dtype"]?.string else { throw refuse("has no dtype") }
    guard let size = elementBytes[format] else { throw refuse("has the unknown dtype \(format)") }
    guard let sizes = member.value["shape"]?.array else { throw refuse("has no shape") }
    var shape: [Int] = []
    for value in sizes {
      guard let size = value.integer, size >= 0 else {
        throw refuse("has a shape with a size that is not a whole number from 0")
      }
      shape.append(size)
    }
    guard let offsets = member.value["data_offsets"]?.array, offsets.count == 2, let first = offsets[0].integer,
      let last = offsets[1].integer, first >= 0, last >= first
    else { throw refuse("has no data_offsets [first, last] with 0 <= first <= last") }
    guard last <= end - start else {
      throw refuse("ends at byte \(last) of the data, and the file has \(end - start)")
    }
    guard let needed = byteCount(shape, size) else { throw refuse("has a shape \(shape) whose product overflows") }
    guard needed == last - first else {
      throw refuse(
        "of shape \(shape) and dtype \(format) needs \(needed) bytes, and its data_offsets give \(last - first)")
    }
    return TensorDescription(name: name, format: format, shape: shape, bytes: start + first..<start + last)
  }

  /// The product of the shape and the element's size; nil when it overflows.
  private static func byteCount(_ shape: [Int], _ size: Int) -> Int? {
    if shape.contains(0) { return 0 }
    var product = size
    for dimension in shape {
      let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
      if overflow { return nil }
      product = next
    }
    return product
  }

  private static func checkCoverage(
    _ tensors: [TensorDescription], start: Int, end: Int, path: String
  ) throws(CheckpointError) {
    var expected = start
    var previous = "the header"
    for tensor in tensors {
      if tensor.bytes.lowerBound < expected { throw damaged(path, "tensor \(tensor.name) overlaps with \(previous)") }
      if tensor.bytes.lowerBound > expected {
        throw damaged(
          path,
          "\(tensor.bytes.lowerBound - expected) bytes between \(previous) and tensor \(tensor.name) belong to no tensor"
        )
      }
      expected = tensor.bytes.upperBound
      previous = "tensor \(tensor.name)"
    }
    if expected < end { throw damaged(path, "\(end - expected) bytes after \(previous) belong to no tensor") }
  }
}
