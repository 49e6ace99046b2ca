import CheckpointSupport
import Core
import Foundation
@testable import Safetensors
import Tensors
import Testing

@Suite struct SafetensorsTests {
  @Test func bytesOfASmallFileAreTheseAndNoOthers() throws {
    let scratch = try Scratch()
    let values = store(layout([("b", [2, 1]), ("a", [1])]), seed: 1)
    try SafetensorsWriter.write(NamedTensor.all(of: values), to: scratch.path + "/x")
    let header =
      #"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]}}"#
    let padding = String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    var expected: [UInt8] =
      [UInt8(header.utf8.count + padding.count), 0, 0, 0, 0, 0, 0, 0] + Array((header + padding).utf8)
    expected += [0, 0, 0x40, 0x40, 0, 0, 0x80, 0x3F, 0, 0, 0x90, 0x3F]
    #expect(try contents(of: scratch.path + "/x") == expected)
  }

  @Test(arguments: [0, 1, 7, 8, 9, 1000, 300_000]) func whatIsWrittenIsRead(size: Int) throws {
    let scratch = try Scratch()
    let values = store(layout([("w", [2, size]), ("empty", [0])]), seed: -3)
    try SafetensorsWriter.write(NamedTensor.all(of: values), to: scratch.path + "/x")
    let file = try SafetensorsFile(scratch.path + "/x")
    #expect(file.metadata == ["format": "pt"])
    #expect(file["w"]?.shape == [2, size])
    #expect(try file.floats("w") == values.view(0).array)
    #expect(try file.floats("empty").isEmpty)
  }

  @Test func bfloat16IsRoundedToNearestEven() throws {
    let cases: [(UInt32, UInt16)] = [
      (0x3F80_0000, 0x3F80), (0x3F80_8000, 0x3F80), (0x3F81_8000, 0x3F82), (0x3F80_8001, 0x3F81), (0x3F80_7FFF, 0x3F80),
      (0x7F7F_FFFF, 0x7F80), (0xFF80_0000, 0xFF80), (0x8000_0000, 0x8000), (0x0000_0001, 0x0000), (0x7F80_0001, 0x7FC0),
    ]
    for (bits, expected) in cases {
      #expect(bfloat16Bits(Float(bitPattern: bits)) == expected, "of \(String(bits, radix: 16))")
    }
  }

  @Test func everyHalfPrecisionNumberIsReadExactly() {
    for bits in UInt16.min...UInt16.max {
      let (ours, reference) = (float(halfBits: bits), Float(Float16(bitPattern: bits)))
      #expect(ours.bitPattern == reference.bitPattern || (ours.isNaN && reference.isNaN))
    }
  }

  @Test func otherFormatsAreConverted() throws {
    let scratch = try Scratch()
    var data: [UInt8] = []
    for value in [1.5, -2.25] as [Double] { withUnsafeBytes(of: value) { data += $0 } }
    data += [0x00, 0x3E, 0x00, 0xC0] + [0xC0, 0x3F, 0x00, 0xC0] + [1, 0]
    let header = """
      {"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"h":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},\
      "b":{"dtype":"BF16","shape":[2],"data_offsets":[20,24]},"mask":{"dtype":"BOOL","shape":[2],"data_offsets":[24,26]}}
      """
    let file = try SafetensorsFile(try scratch.write("x", framed(header, data)))
    #expect(try file.floats("d") == [1.5, -2.25])
    #expect(try file.floats("h") == [1.5, -2])
    #expect(try file.floats("b") == [1.5, -2])
    #expect(
      sentence { _ = try file.floats("mask") }.hasSuffix(
        "tensor mask has the dtype BOOL. F32, F16, BF16 and F64 can be read."))
    #expect(sentence { _ = try file.floats("nothing") }.hasSuffix("it holds no tensor nothing."))
  }

  @Test func bfloat16FilesHoldTheRoundedValues() throws {
    let scratch = try Scratch()
    let values = ParameterStore(layout([("w", [1, 300_000])]))
    for i in 0..<300_000 { values.view(0)[i] = Float(i) * 0.37 - 1000 }
    try SafetensorsWriter.write(NamedTensor.all(of: values), to: scratch.path + "/x", format: .bfloat16)
    let file = try SafetensorsFile(scratch.path + "/x")
    #expect(file["w"]?.format == "BF16")
    #expect(try file.floats("w") == values.view(0).array.map { Float(bitPattern: UInt32(bfloat16Bits($0)) << 16) })
  }

  // MARK: - Headers nobody should trust

  static let f4 = #"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#

  @Test(arguments: [
    (#"{"a":\#(f4)"#, 4, "its header is not valid JSON: a comma or a closing brace is missing at byte 53"),
    (#"[1]"#, 0, "its header is not a JSON object"),
    (#"{"a":\#(f4),"a":\#(f4)}"#, 4, #"its header is not valid JSON: the name "a" occurs twice at byte 57"#),
    (#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, 4, "tensor a has the unknown dtype F33"),
    (#"{"a":{"shape":[1],"data_offsets":[0,4]}}"#, 4, "tensor a has no dtype"),
    (#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, 4, "tensor a has no shape"),
    (
      #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4,
      "tensor a has a shape with a size that is not a whole number from 0"
    ),
    (#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, "tensor a has no data_offsets [first, last] with 0 <= first <= last"),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4,
      "tensor a has no data_offsets [first, last] with 0 <= first <= last"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4,
      "tensor a ends at byte 8 of the data, and the file has 4"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
      "tensor a of shape [2] and dtype F32 needs 8 bytes, and its data_offsets give 4"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, 4,
      "tensor a has a shape [4294967296, 4294967296] whose product overflows"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}}"#, 4,
      "tensor a has no data_offsets [first, last] with 0 <= first <= last"
    ),
    (#"{"a":\#(f4),"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#, 6, "tensor b overlaps with tensor a"),
    (#"{"a":\#(f4),"b":\#(f4)}"#, 4, "tensor b overlaps with tensor a"),
    (
      #"{"a":\#(f4),"b":{"dtype":"F32","shape":[1],"data_offsets":[6,10]}}"#, 10,
      "2 bytes between tensor a and tensor b belong to no tensor"
    ),
    (#"{"a":\#(f4)}"#, 7, "3 bytes after tensor a belong to no tensor"),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8,
      "4 bytes between the header and tensor a belong to no tensor"
    ),
    (#"{"__metadata__":{"format":1},"a":\#(f4)}"#, 4, "__metadata__.format is not a text"),
  ])
  func anInvalidHeaderIsRefusedWithASentence(header: String, dataBytes: Int, problem: String) throws {
    let scratch = try Scratch()
    let path = try scratch.write("x.safetensors", framed(header, [UInt8](repeating: 0, count: dataBytes)))
    #expect(sentence { _ = try SafetensorsFile(path) } == "cannot read \(path): \(problem).")
  }

  @Test(
    arguments: [
      ([1, 2, 3], "it has 3 bytes, and a safetensors file begins with the 8 bytes of its header's length"),
      ([9, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], "its header claims 9 bytes, and the file has only 2 after the length"),
      (
        [0, 0, 0, 0, 0, 0, 0, 0x80, 0x7B], "its header claims 9223372036854775808 bytes; at most 100000000 are allowed"
      ),
      ([1, 0xE1, 0xF5, 5, 0, 0, 0, 0], "its header claims 100000001 bytes; at most 100000000 are allowed"),
    ] as [([UInt8], String)])
  func aFalseLengthIsRefused(bytes: [UInt8], problem: String) throws {
    let scratch = try Scratch()
    let path = try scratch.write("x", bytes)
    #expect(sentence { _ = try SafetensorsFile(path) } == "cannot read \(path): \(problem).")
  }

  @Test func noChangeOfOneByteOfAHeaderCrashesTheReader() throws {
    let scratch = try Scratch()
    let values = store(layout([("first", [2, 3]), ("second", [4])]))
    try SafetensorsWriter.write(NamedTensor.all(of: values), to: scratch.path + "/x")
    let good = try contents(of: scratch.path + "/x")
    var refused = 0
    for byte in 0..<good.count - 40 {
      for replacement in [0x00, 0x22, 0x2D, 0x39, 0x5B, 0x7D, 0xFF] as [UInt8] {
        var bad = good
        bad[byte] = replacement
        do {
          let file = try SafetensorsFile(try scratch.write("y", bad))
          for tensor in file.tensors { _ = try? file.floats(tensor.name) }
        } catch { refused += 1 }
      }
    }
    #expect(refused > 300)
  }

  private func framed(_ header: String, _ data: [UInt8]) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8) + data
  }
}
