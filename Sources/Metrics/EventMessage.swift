/// A protocol buffer in the making: just what TensorBoard's events need.
struct ProtocolBuffer {
  private(set) var bytes: [UInt8] = []

  mutating func varint(_ field: Int, _ value: UInt64) {
    appendVarint(UInt64(field << 3))
    appendVarint(value)
  }

  mutating func double(_ field: Int, _ value: Double) {
    appendVarint(UInt64(field << 3 | 1))
    append(value.bitPattern)
  }

  mutating func float(_ field: Int, _ value: Float) {
    appendVarint(UInt64(field << 3 | 5))
    append(value.bitPattern)
  }

  mutating func data(_ field: Int, _ value: some Collection<UInt8>) {
    appendVarint(UInt64(field << 3 | 2))
    appendVarint(UInt64(value.count))
    bytes += value
  }

  mutating func message(_ field: Int, _ build: (inout ProtocolBuffer) -> Void) {
    var inner = ProtocolBuffer()
    build(&inner)
    data(field, inner.bytes)
  }

  private mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  private mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 128 {
      bytes.append(UInt8(rest & 127) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// One event of a TensorBoard file. Field numbers are those of `event.proto`, `summary.proto` and `tensor.proto`.
enum EventMessage {
  /// The first event of every file.
  static func version(wallTime: Double) -> [UInt8] {
    event(wallTime, step: 0) { $0.data(3, Array("brain.Event:2".utf8)) }
  }

  /// The run goes on here: TensorBoard forgets what it has of this step and later ones.
  static func sessionStart(wallTime: Double, step: Int) -> [UInt8] {
    event(wallTime, step: step) { $0.message(7) { log in log.varint(1, 1) } }
  }

  static func scalars(_ values: [Named<Double>], wallTime: Double, step: Int) -> [UInt8] {
    event(wallTime, step: step) { event in
      event.message(5) { summary in
        for value in values {
          summary.message(1) { entry in
            entry.data(1, Array(value.name.utf8))
            entry.float(2, Float(value.value))
          }
        }
      }
    }
  }

  /// Markdown, shown under "Text".
  static func text(_ tag: String, _ markdown: String, wallTime: Double, step: Int) -> [UInt8] {
    event(wallTime, step: step) { event in
      event.message(5) { summary in
        summary.message(1) { entry in
          entry.data(1, Array(tag.utf8))
          entry.message(8) { tensor in
            tensor.varint(1, 7)
            tensor.message(2) { shape in shape.message(2) { $0.varint(1, 1) } }
            tensor.data(8, Array(markdown.utf8))
          }
          entry.message(9) { metadata in metadata.message(1) { $0.data(1, Array("text".utf8)) } }
        }
      }
    }
  }

  private static func event(_ wallTime: Double, step: Int, _ content: (inout ProtocolBuffer) -> Void) -> [UInt8] {
    var message = ProtocolBuffer()
    message.double(1, wallTime)
    if step != 0 { message.varint(2, UInt64(bitPattern: Int64(step))) }
    content(&message)
    return message.bytes
  }

  /// A record of a TFRecord file: length, check of the length, data, check of the data.
  static func framed(_ data: [UInt8]) -> [UInt8] {
    let length = withUnsafeBytes(of: UInt64(data.count).littleEndian) { Array($0) }
    let check: ([UInt8]) -> [UInt8] = { bytes in withUnsafeBytes(of: CRC32C.masked(bytes).littleEndian) { Array($0) } }
    return length + check(length) + data + check(data)
  }
}
