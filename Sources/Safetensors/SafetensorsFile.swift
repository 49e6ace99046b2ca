import Core
import Storage
import Tensors

/// A safetensors file mapped into memory, with a header that has been checked before anything is read by it.
///
/// Invariant: every tensor's `bytes` lie inside the mapping (`SafetensorsHeader` refuses others), the mapping
/// lives as long as this object, and pointers into it do not leave the methods below.
public final class SafetensorsFile: Sendable {
  public let path: String
  /// In the order of their bytes.
  public let tensors: [TensorDescription]
  public let metadata: [String: String]
  private let file: MappedFile
  private let byName: [String: TensorDescription]

  /// - Throws: `CheckpointError` that names the tensor and what is wrong with it.
  public init(_ path: String) throws(CheckpointError) {
    let file = try CheckpointError.wrapping { () throws(FileError) in try MappedFile(path) }
    let header = try SafetensorsHeader(of: file.bytes, path: path)
    self.path = path
    self.file = file
    self.tensors = header.tensors
    self.metadata = header.metadata
    self.byName = Dictionary(uniqueKeysWithValues: header.tensors.map { ($0.name, $0) })
  }

  public subscript(_ name: String) -> TensorDescription? { byName[name] }

  /// The tensor as floats, row-major.
  public func floats(_ name: String) throws(CheckpointError) -> [Float] {
    let tensor = try describe(name)
    try checkReadable(tensor)
    let outcome = Result { () throws(CheckpointError) in
      [Float](unsafeUninitializedCapacity: tensor.count) { buffer, count in
        if let base = buffer.baseAddress { fill(base, from: tensor, elements: 0..<tensor.count) }
        count = tensor.count
      }
    }
    return try outcome.get()
  }

  /// Copies the tensor, or its first values, into `view`, converting F16, BF16 and F64 to floats.
  ///
  /// - Throws: `CheckpointError` when there is no such tensor, it has fewer values than the view, or its dtype is not a
  ///   float's.
  public func read(_ name: String, into view: TensorView) throws(CheckpointError) {
    let tensor = try describe(name)
    try checkReadable(tensor)
    guard tensor.count >= view.count else {
      throw CheckpointError(
        "read", path, "tensor \(name) of shape \(tensor.shape) has fewer than \(view.rows) × \(view.columns) values")
    }
    fill(view.base, from: tensor, elements: 0..<view.count)
  }

  /// Whether both tensors hold the same bytes under the same shape.
  public func same(_ first: String, _ second: String) -> Bool {
    guard let a = byName[first], let b = byName[second], a.shape == b.shape, a.format == b.format else { return false }
    return file.withBytes { $0[a.bytes].elementsEqual($0[b.bytes]) }
  }

  private func describe(_ name: String) throws(CheckpointError) -> TensorDescription {
    guard let tensor = byName[name] else { throw CheckpointError("read", path, "it holds no tensor \(name)") }
    return tensor
  }

  private func checkReadable(_ tensor: TensorDescription) throws(CheckpointError) {
    guard FloatFormat(rawValue: tensor.format) != nil else {
      throw CheckpointError(
        "read", path, "tensor \(tensor.name) has the dtype \(tensor.format)",
        remedy: "F32, F16, BF16 and F64 can be read.")
    }
  }

  /// Converts `elements` of a tensor of a readable dtype.
  private func fill(_ target: UnsafeMutablePointer<Float>, from tensor: TensorDescription, elements: Range<Int>) {
    defer { withExtendedLifetime(file) {} }
    guard let format = FloatFormat(rawValue: tensor.format), let base = file.bytes.baseAddress else { return }
    let source = base + tensor.bytes.lowerBound + elements.lowerBound * format.byteCount
    switch format {
    case .float32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: elements.count * 4)
    case .bfloat16:
      for i in 0..<elements.count {
        target[i] = Float(
          bitPattern: UInt32(UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))) << 16)
      }
    case .float16:
      for i in 0..<elements.count {
        target[i] = float(halfBits: UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)))
      }
    case .float64:
      for i in 0..<elements.count { target[i] = Float(source.loadUnaligned(fromByteOffset: 8 * i, as: Double.self)) }
    }
  }

  // MARK: - Numbers of any kind

  /// Whether `numbers` can read the tensor.
  public func isNumeric(_ name: String) -> Bool {
    byName[name].map { Self.numericFormats.contains($0.format) } ?? false
  }

  /// Whether the tensor holds whole numbers.
  public func isInteger(_ name: String) -> Bool {
    byName[name].map { ["U8", "I8", "I16", "I32", "I64", "BOOL"].contains($0.format) } ?? false
  }

  static let numericFormats = ["F32", "F16", "BF16", "F64", "U8", "I8", "I16", "I32", "I64", "BOOL"]

  /// Elements `range` of a tensor as floats, whatever its dtype.
  ///
  /// - Throws: `CheckpointError` when there is no such tensor, or its dtype is none of numbers.
  /// - Precondition: the range lies in the tensor, and `target` has room for it.
  public func numbers(_ name: String, _ range: Range<Int>, into target: UnsafeMutablePointer<Float>)
    throws(CheckpointError)
  {
    let tensor = try describe(name)
    precondition(
      range.lowerBound >= 0 && range.upperBound <= tensor.count, "elements \(range) of a tensor with \(tensor.count)")
    if FloatFormat(rawValue: tensor.format) != nil { return fill(target, from: tensor, elements: range) }
    try integers(tensor, range) { target[$0] = Float($1) }
  }

  /// Elements `range` of a tensor of whole numbers.
  public func integers(_ name: String, _ range: Range<Int>) throws(CheckpointError) -> [Int64] {
    let tensor = try describe(name)
    precondition(
      range.lowerBound >= 0 && range.upperBound <= tensor.count, "elements \(range) of a tensor with \(tensor.count)")
    var result = [Int64](repeating: 0, count: range.count)
    try integers(tensor, range) { result[$0] = $1 }
    return result
  }

  private func integers(_ tensor: TensorDescription, _ range: Range<Int>, _ body: (Int, Int64) -> Void)
    throws(CheckpointError)
  {
    defer { withExtendedLifetime(file) {} }
    guard let base = file.bytes.baseAddress else { return }
    let start = base + tensor.bytes.lowerBound
    func each<Value: FixedWidthInteger>(_: Value.Type) {
      let width = MemoryLayout<Value>.size
      for (i, element) in range.enumerated() {
        body(
          i,
          Int64(
            truncatingIfNeeded: Value(
              littleEndian: start.loadUnaligned(fromByteOffset: element * width, as: Value.self))))
      }
    }
    switch tensor.format {
    case "U8", "BOOL": each(UInt8.self)
    case "I8": each(Int8.self)
    case "I16": each(Int16.self)
    case "I32": each(Int32.self)
    case "I64": each(Int64.self)
    default:
      throw CheckpointError(
        "read", path, "tensor \(tensor.name) has the dtype \(tensor.format)",
        remedy: "\(Self.numericFormats.joined(separator: ", ")) can be read.")
    }
  }
}
