import Core
import Storage
import Tensors

/// A tensor on its way to a file: its name there, its shape there, and where its numbers lie, row-major.
///
/// Invariant: `view` points into the store it was made from, which lives as long as this value.
public struct NamedTensor: Sendable {
  public var name: String
  public var shape: [Int]
  public let view: TensorView
  private let owner: ParameterStore

  public init(_ name: String, shape: [Int], view: TensorView, of owner: ParameterStore) {
    precondition(
      shape.reduce(1, *) == view.count, "\(name) of shape \(shape) cannot be \(view.rows) × \(view.columns) values")
    self.name = name
    self.shape = shape
    self.view = view
    self.owner = owner
  }

  /// Every parameter of a store, under `prefix` and its own name.
  public static func all(of store: ParameterStore, prefix: String = "") -> [NamedTensor] {
    store.layout.entries.map {
      NamedTensor(prefix + $0.name, shape: $0.spec.shape, view: store.view($0.index), of: store)
    }
  }
}

/// Writes safetensors files whose bytes depend on names, shapes and values alone: tensors sorted by name,
/// one spelling of the header, spaces after it up to a multiple of 8 bytes.
public enum SafetensorsWriter {
  /// Writes a new file and waits until it is on the disk. `format` is `float32` or `bfloat16`.
  ///
  /// - Throws: `CheckpointError` with the path and the system's reason.
  @discardableResult
  public static func write(
    _ tensors: [NamedTensor], to path: String, format: FloatFormat = .float32
  ) throws(CheckpointError) -> FileRecord {
    precondition(
      format == .float32 || format == .bfloat16, "safetensors are written as F32 or BF16, not as \(format.rawValue)")
    let sorted = tensors.sorted { $0.name < $1.name }
    defer { withExtendedLifetime(sorted) {} }
    return try CheckpointError.wrapping { () throws(FileError) in
      var file = try DurableFile(creating: path)
      try file.write(header(of: sorted, format: format))
      for tensor in sorted {
        if format == .float32 {
          try file.write(UnsafeRawBufferPointer(start: tensor.view.base, count: tensor.view.count * 4))
        } else {
          try writeRounded(tensor.view, to: &file)
        }
      }
      return try file.finish()
    }
  }

  /// The length and the JSON of the header.
  public static func header(of sorted: [NamedTensor], format: FloatFormat) -> [UInt8] {
    var members = [JSONValue.Member("__metadata__", .object([.init("format", .string("pt"))]))]
    var offset = 0
    for (index, tensor) in sorted.enumerated() {
      precondition(index == 0 || sorted[index - 1].name != tensor.name, "two tensors are named \(tensor.name)")
      let end = offset + tensor.view.count * format.byteCount
      members.append(
        .init(
          tensor.name,
          .object([
            .init("dtype", .string(format.rawValue)), .init("shape", .array(tensor.shape.map { .integer($0) })),
            .init("data_offsets", .array([.integer(offset), .integer(end)])),
          ])))
      offset = end
    }
    var text = Array(JSONValue.object(members).compact.utf8)
    text += [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }

  /// Rounds a piece at a time, so that a large tensor needs no second copy of itself.
  private static func writeRounded(_ view: TensorView, to file: inout DurableFile) throws(FileError) {
    let piece = 1 << 18
    for start in stride(from: 0, to: view.count, by: piece) {
      let rounded = (start..<min(start + piece, view.count)).map { bfloat16Bits(view[$0]).littleEndian }
      try file.write(rounded.withUnsafeBytes { Array($0) })
    }
  }
}
