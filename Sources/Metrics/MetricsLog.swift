import Core
import Foundation
import Storage

/// `metrics.jsonl`: one line for each logged step, on its way to the disk when `append` returns.
///
/// Invariant: `descriptor` is open for appending for the life of this object; one thread appends.
public final class MetricsLog {
  public let path: String
  private let descriptor: Int32

  /// Opens the log of a run that goes on after `resumedStep` (0: begins), and cuts off every record after
  /// it, and a last line that a crash left unfinished.
  ///
  /// - Throws: `FileError`; the old log is then as it was.
  public convenience init(_ path: String, resumedStep: Int) throws(FileError) {
    try Self.cut(path, after: resumedStep)
    try self.init(appendingTo: path)
  }

  init(appendingTo path: String) throws(FileError) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError("open", path, reason: systemReason()) }
  }

  deinit { close(descriptor) }

  /// Adds one line, handed to the system in one write.
  public func append(_ record: StepRecord) throws(FileError) {
    let line = Array((record.json.compact + "\n").utf8)
    let outcome = line.withUnsafeBytes { bytes in
      Result { () throws(FileError) in try AtomicFile.writeAll(bytes, to: descriptor, path: path) }
    }
    try outcome.get()
  }

  /// The whole records of a log in order; lines that are none are passed over.
  public static func records(at path: String) throws(FileError) -> [StepRecord] {
    let file = try MappedFile(path)
    return lines(of: file).compactMap(record)
  }

  private static func lines(of file: MappedFile) -> [[UInt8]] {
    file.withBytes { $0.split(separator: UInt8(ascii: "\n")).map { Array($0) } }
  }

  private static func record(_ line: [UInt8]) -> StepRecord? {
    (try? JSONValue.parse(line)).flatMap(StepRecord.init(json:))
  }

  /// Keeps the lines of steps up to `step` as they are; the file is replaced as a whole, and only if it changes.
  private static func cut(_ path: String, after step: Int) throws(FileError) {
    guard access(path, F_OK) == 0 else { return }
    let file = try MappedFile(path)
    var kept: [UInt8] = []
    for line in lines(of: file) {
      guard let record = record(line), record.step <= step else { continue }
      kept += line + [UInt8(ascii: "\n")]
    }
    if !file.withBytes({ kept.elementsEqual($0) }) { try AtomicFile.write(kept, to: path) }
  }
}
