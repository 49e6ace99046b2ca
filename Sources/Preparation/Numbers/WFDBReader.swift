import Core
import Storage

/// A record of PhysioNet's WFDB: a header `.hea`, its signals in the formats 16 and 212, and where there is one, the
/// annotations `.atr` as named rows.
///
/// Numbers are (stored - baseline) / gain, in the header's units; what is stored for a missing sample, -32768 of format
/// 16 and -2048 of format 212, was not measured. The header's checksums are compared.
/// Reference: WFDB Applications Guide, "header(5)", "signal(5)" and "annot(5)".
final class WFDBReader: NumberReader {
  private let header: WFDBHeader
  private let file: NumberFile
  private var isTaken = false

  init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    (self.file, header) = (file, try WFDBHeader(file))
  }

  static func companions(of file: NumberFile) -> [NumberFile] {
    guard let header = try? WFDBHeader(file) else { return [] }
    let names = header.files + [annotationName(file)]
    return names.compactMap { try? beside(file, $0) }
  }

  private static func annotationName(_ file: NumberFile) -> String { String(lastName(file.path).dropLast(4)) + ".atr" }

  /// A file in the folder of the header.
  private static func beside(_ file: NumberFile, _ name: String) throws -> NumberFile {
    let folder = file.path.contains("/") ? String(file.path.dropLast(lastName(file.path).count)) : ""
    let parent = file.name.contains("/") ? String(file.name.dropLast(lastName(file.name).count)) : ""
    return try NumberFile(SystemPath(folder + name), path: folder + name, name: parent + name, isRaw: true)
  }

  func next() throws -> NumericRecord? {
    guard !isTaken else { return nil }
    isTaken = true
    let channels = header.signals.count
    for (name, signals) in header.bySignalFile { try requireSize(name, signals) }
    var values = [Float](repeating: 0, count: header.samples * channels)
    for (name, signals) in header.bySignalFile { try read(name, signals, into: &values, channels: channels) }
    var record = try NumericRecord(
      floats: values, shape: [header.samples, channels], isSequence: true, place: file.path)
    record.marks = try marks()
    record.rate = header.rate
    return record
  }

  private func signalFile(_ name: String) throws -> NumberFile {
    do { return try Self.beside(file, name) } catch let error as FileError {
      throw DataError(
        file.path, "names the signals \(name), which cannot be read: \(error.reason).",
        remedy: "Put the file beside the header.")
    }
  }

  /// - Throws: `DataError` for a signal file that is shorter than the header says, before memory is taken for it.
  private func requireSize(_ name: String, _ signals: [Int]) throws {
    let (source, first) = (try signalFile(name), header.signals[signals[0]])
    let count = header.samples * signals.count
    let needed = first.offset + (first.format == 16 ? 2 * count : (3 * count + 1) / 2)
    guard source.bytes >= needed else {
      throw DataError(
        source.path,
        "has \(source.bytes) bytes, and \(header.samples) samples of \(counted(signals.count, "signal")) need \(needed).",
        remedy: "Fetch it again.")
    }
  }

  /// Samples of a signal file, in which those of its signals take turns.
  private func read(_ name: String, _ signals: [Int], into values: inout [Float], channels: Int) throws {
    let source = try signalFile(name)
    let first = header.signals[signals[0]]
    let bytes = try source.contents(atMost: 1 << 32)
    var sums = [Int16](repeating: 0, count: signals.count)
    for sample in 0..<header.samples {
      for (i, signal) in signals.enumerated() {
        let place = sample * signals.count + i
        let stored =
          first.format == 16
          ? Int(Int16(littleEndianBytes: bytes, first.offset + 2 * place))
          : Self.packed(bytes, first.offset, place)
        sums[i] &+= Int16(truncatingIfNeeded: stored)
        let isMissing = stored == (first.format == 16 ? -32_768 : -2048)
        let own = header.signals[signal]
        values[sample * channels + signal] = isMissing ? .nan : Float((Double(stored) - own.baseline) / own.gain)
      }
    }
    for (i, signal) in signals.enumerated() {
      guard let expected = header.signals[signal].checksum, expected != sums[i] else { continue }
      throw DataError(
        source.path, "has the checksum \(sums[i]) in signal \(signal + 1), and \(file.path) says \(expected).",
        remedy: "Fetch the record again.")
    }
  }

  /// Number `place` of format 212: two numbers of 12 bits in three bytes.
  private static func packed(_ bytes: [UInt8], _ offset: Int, _ place: Int) -> Int {
    let start = offset + place / 2 * 3
    let raw =
      place % 2 == 0
      ? Int(bytes[start]) | Int(bytes[start + 1] & 0x0F) << 8
      : Int(bytes[start + 2]) | Int(bytes[start + 1] >> 4) << 8
    return raw > 2047 ? raw - 4096 : raw
  }

  private func marks() throws -> [NumericRecord.Mark] {
    let name = Self.annotationName(file)
    let path = String(file.path.dropLast(lastName(file.path).count)) + name
    guard case .success = FileStatus.of(SystemPath(path)) else { return [] }
    let source = try Self.beside(file, name)
    return try WFDBAnnotations.marks(try source.contents(atMost: 1 << 28), samples: header.samples, path: source.path)
  }
}
