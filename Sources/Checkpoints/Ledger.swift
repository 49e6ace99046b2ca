import Core
import Foundation
import Safetensors
import Storage

/// A ledger as it was read: the whole lines in order, and the first one that cannot be trusted.
public struct Ledger: Sendable, Equatable {
  public struct Line: Sendable, Equatable {
    /// From 1.
    public var number: Int
    public var entry: LedgerEntry
  }

  public var lines: [Line] = []
  /// A sentence for each line that is none, or whose checksum does not match.
  public var problems: [(line: Int, sentence: String)] = []
  /// Where the last line with an end ends: damaged lines before it stay, for they are evidence.
  fileprivate var end = 0
  /// Of the last line that can be read: after which checksum a further line is appended.
  fileprivate var checksum = ""

  /// Bytes of the largest ledger that is read: some millions of lines.
  public static let mostBytes = 1 << 30
  /// No line of a ledger is as long.
  private static let longestLine = 1 << 16

  /// An absent file is an empty ledger. A last line without its end is being written, or was torn: it does not count.
  public init(_ path: String) throws(FileError) {
    guard try FileKind.of(path) != .absent else { return }
    let file = try MappedFile(path, atMost: Self.mostBytes)
    var number = 0
    file.withBytes { bytes in
      end = forEachLine(of: bytes) { line in
        number += 1
        take(line, number)
      }
    }
  }

  private mutating func take(_ bytes: UnsafeRawBufferPointer, _ number: Int) {
    guard bytes.count <= Self.longestLine, let (entry, checksum, matches) = LedgerEntry.read(bytes, after: checksum)
    else {
      problems.append((number, "line \(number) is damaged"))
      return
    }
    if !matches {
      problems.append((number, "line \(number) was changed, or the line before it: its checksum does not match"))
    }
    lines.append(Line(number: number, entry: entry))
    self.checksum = checksum
  }

  public static func == (a: Ledger, b: Ledger) -> Bool {
    a.lines == b.lines && a.problems.elementsEqual(b.problems) { $0 == $1 } && a.end == b.end
      && a.checksum == b.checksum
  }
}

extension RunFolder {
  public var ledgerPath: String { path + "/ledger.jsonl" }

  /// Numbers of the records of starts, rising.
  public func launches() throws(CheckpointError) -> [Int] {
    try Folders.names(in: launchesPath).filter { $0.hasSuffix(".json") }.compactMap { Int($0.dropLast(5)) }.sorted()
  }
}

/// The ledger of a run under way: lines are only ever added.
///
/// Invariant: `file` and `checksum` are used under `lock`: lines come from the run's thread, and the thread that writes
/// a checkpoint brings them to the disk first.
public final class LedgerLog: @unchecked Sendable {
  // Sendable: see the invariant.
  public let path: String
  private let file: GrowingFile
  private var checksum: String
  private let lock = NSLock()
  /// Lines that are damaged and were kept.
  public let damagedLines: [Int]
  /// Whether no line stood in it when it was opened.
  public let wasEmpty: Bool

  /// Opens the ledger and cuts off what stands behind its last line with an end: a crash tore it. Every other line is
  /// kept.
  public init(_ path: String) throws(FileError) {
    let ledger = try Ledger(path)
    self.path = path
    checksum = ledger.checksum
    damagedLines = ledger.problems.map(\.line)
    wasEmpty = ledger.end == 0
    let content =
      ledger.end > 0 ? try MappedFile(path, atMost: Ledger.mostBytes).withBytes { Array($0.prefix(ledger.end)) } : []
    // A folder that vanishes and comes back must not cost the proof.
    file = try GrowingFile(path, preamble: content, remembers: true)
    try file.cut(after: ledger.end)
  }

  /// Adds a line, handed to the system in one write. - Throws: `FileError`; the line is then written with the next one.
  public func append(_ entry: LedgerEntry) throws(FileError) {
    lock.lock()
    defer { lock.unlock() }
    let (line, checksum) = entry.line(after: checksum)
    self.checksum = checksum
    try file.append(Array((line + "\n").utf8))
  }

  /// Waits until every line is on the disk: before a checkpoint takes its name. Lines behind the newest checkpoint are
  /// void after a crash anyway.
  public func sync() throws(FileError) {
    lock.lock()
    defer { lock.unlock() }
    try file.sync()
  }
}
