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
  public func append(_ record: StepRecord) throws(FileError) -> Bool { try file.append(Array((record.json.compact + "\n").utf8)) }

  /// Writes the lines on which `append` failed.
  public func flush() throws(FileError) { try file.flush() }

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
  /// - Returns: how many lines were no records.
  private static func cut(_ path: String, after step: Int) throws(FileError) -> Int {
    guard access(path, F_OK) == 0 else { return 0 }
    let file = try MappedFile(path)
    var (kept, unreadable) = ([UInt8](), 0)
    for line in lines(of: file) {
      guard let record = record(line) else {
        unreadable += 1
        continue
      }
      if record.step <= step { kept += line + [UInt8(ascii: "\n")] }
    }
    if !file.withBytes({ kept.elementsEqual($0) }) { try AtomicFile.write(kept, to: path) }
    return unreadable
  }
}
