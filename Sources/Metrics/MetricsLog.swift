import Core
import Foundation
import Storage

/// `metrics.jsonl`: one line for each logged step, on its way to the disk when `append` returns.
///
/// Invariant: one thread at a time appends.
public final class MetricsLog {
  public let path: String
  /// Lines that were no records when the log was opened, and were left out.
  public let unreadableLines: Int
  private let file: GrowingFile

  /// Opens the log of a run that goes on after `resumedStep` (0: begins), and cuts off every record after
  /// it, and every line that is no record, such as one that a crash left unfinished.
  ///
  /// - Throws: `FileError`; the old log is then as it was.
  public convenience init(_ path: String, resumedStep: Int) throws(FileError) {
    try self.init(appendingTo: path, unreadableLines: try Self.cut(path, after: resumedStep))
  }

  init(appendingTo path: String, unreadableLines: Int = 0) throws(FileError) {
    self.path = path
    self.unreadableLines = unreadableLines
    file = try GrowingFile(path)
  }

  /// Adds one line, handed to the system in one write.
  ///
  /// - Returns: whether the file had been removed and was begun anew.
  /// - Throws: `FileError`; the line is kept and written before the next one.
  @discardableResult
  public func append(_ record: StepRecord) throws(FileError) -> Bool {
    try file.append(Array((record.json.compact + "\n").utf8))
  }

  /// Writes the lines on which `append` failed.
  public func flush() throws(FileError) { try file.flush() }

  /// Bytes of the largest log that is read: some millions of lines.
  public static let mostBytes = 4 << 30
  /// No line of a log is as long, however many terms there are.
  private static let longestLine = 1 << 20

  /// The whole records of a log in order; lines that are none are passed over.
  public static func records(at path: String) throws(FileError) -> [StepRecord] {
    var records: [StepRecord] = []
    try MappedFile(path, atMost: mostBytes).withBytes { bytes in
      forEachPiece(of: bytes) { if let record = record($0) { records.append(record) } }
    }
    return records
  }

  /// The first and last record and others between, evenly spread, at most about `most` in all; every one with a
  /// validation loss comes first. An absent log has none.
  ///
  /// - Complexity: one look at every line; only the records that are returned are read in full.
  public static func sample(at path: String, atMost most: Int) throws(FileError) -> [StepRecord] {
    guard try FileKind.of(path) != .absent else { return [] }
    return try MappedFile(path, atMost: mostBytes).withBytes { bytes in
      var (lines, validated) = ([UnsafeRawBufferPointer](), [Int]())
      forEachPiece(of: bytes) { line in
        guard let outline = outline(line) else { return }
        if outline.isValidated { validated.append(lines.count) }
        lines.append(line)
      }
      let (stride, last) = (max(1, (lines.count + most - 1) / max(most, 1)), lines.count - 1)
      var kept = Set(validated.count <= most ? validated : [])
      kept.formUnion(lines.indices.filter { $0 % stride == 0 || $0 == last })
      return kept.sorted().compactMap { record(lines[$0]) }
    }
  }

  /// Every line that is not empty, with what stands behind the last end of a line: a crash tore it, or an editor took
  /// the end away.
  private static func forEachPiece(of bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
    let end = forEachLine(of: bytes) { if !$0.isEmpty { body($0) } }
    if end < bytes.count { body(UnsafeRawBufferPointer(rebasing: bytes[end...])) }
  }

  private static func record(_ line: UnsafeRawBufferPointer) -> StepRecord? {
    guard line.count <= longestLine else { return nil }
    return (try? JSONValue.parse(line)).flatMap(StepRecord.init(json:))
  }

  private static func outline(_ line: UnsafeRawBufferPointer) -> StepRecord.Outline? {
    line.count <= longestLine ? StepRecord.Outline(of: line) : nil
  }

  /// Keeps the lines of steps up to `step` as they are; the file is replaced as a whole, and only if it changes.
  /// - Returns: how many lines were no records.
  private static func cut(_ path: String, after step: Int) throws(FileError) -> Int {
    guard try FileKind.of(path) != .absent else { return 0 }
    let file = try MappedFile(path, atMost: mostBytes)
    var (kept, unreadable) = ([UnsafeRawBufferPointer](), 0)
    let outcome = file.withBytes { bytes in
      forEachPiece(of: bytes) { line in
        guard let outline = outline(line) else { return unreadable += 1 }
        if outline.step <= step { kept.append(line) }
      }
      let size = kept.reduce(0) { $0 + $1.count + 1 }
      return Result { () throws(FileError) in
        guard size != bytes.count else { return }
        var text: [UInt8] = []
        text.reserveCapacity(size)
        for line in kept {
          text += line
          text.append(UInt8(ascii: "\n"))
        }
        try AtomicFile.write(text, to: path)
      }
    }
    try outcome.get()
    return unreadable
  }
}
