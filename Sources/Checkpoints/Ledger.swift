import Core
import Foundation
import Storage

/// A ledger as it was read: the whole lines in order, and the first one that cannot be trusted.
public struct Ledger: Sendable, Equatable {
  public struct Line: Sendable, Equatable {
    /// From 1.
    public var number: Int
    public var entry: LedgerEntry
  }

  public var lines: [Line] = []
  /// A sentence for each line that is none, or whose seal does not fit.
  public var problems: [(line: Int, sentence: String)] = []
  /// Where the last whole line ends, and its seal: what a further line is appended to.
  fileprivate var end = 0
  fileprivate var seal = ""

  /// An absent file is an empty ledger. A last line without its end is being written, or was torn: it does not count.
  public init(_ path: String) throws(FileError) {
    guard access(path, F_OK) == 0 else { return }
    let bytes = try MappedFile(path).withBytes { Array($0) }
    var (start, number) = (0, 0)
    while let newline = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      number += 1
      take(Array(bytes[start..<newline]), number, end: newline + 1)
      start = newline + 1
    }
  }

  private mutating func take(_ bytes: [UInt8], _ number: Int, end: Int) {
    guard let (entry, seal, fits) = LedgerEntry.read(bytes, after: seal) else {
      problems.append((number, "line \(number) is damaged"))
      return
    }
    if !fits { problems.append((number, "line \(number) was changed, or the line before it: its seal does not fit")) }
    lines.append(Line(number: number, entry: entry))
    (self.end, self.seal) = (end, seal)
  }

  public static func == (a: Ledger, b: Ledger) -> Bool {
    a.lines == b.lines && a.problems.elementsEqual(b.problems) { $0 == $1 } && a.end == b.end && a.seal == b.seal
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
/// Invariant: `file` and `seal` are used under `lock`: lines come from the run's thread, and the thread that writes a
/// checkpoint brings them to the disk first.
public final class LedgerLog: @unchecked Sendable {
  // Sendable: see the invariant.
  public let path: String
  private let file: GrowingFile
  private var seal: String
  private let lock = NSLock()

  /// Opens the ledger and cuts off what stands behind its last whole line: a crash tore it.
  public init(_ path: String) throws(FileError) {
    let ledger = try Ledger(path)
    self.path = path
    seal = ledger.seal
    if access(path, F_OK) == 0, truncate(path, off_t(ledger.end)) != 0 { throw FileError("shorten", path, reason: systemReason()) }
    let content = ledger.end > 0 ? try MappedFile(path).withBytes { Array($0) } : []
    // A folder that vanishes and comes back must not cost the proof.
    file = try GrowingFile(path, preamble: content, remembers: true)
  }

  /// Adds a line, handed to the system in one write. - Throws: `FileError`; the line is then written with the next one.
  public func append(_ entry: LedgerEntry) throws(FileError) {
    lock.lock()
    defer { lock.unlock() }
    let (line, seal) = entry.sealed(after: seal)
    self.seal = seal
    try file.append(Array((line + "\n").utf8))
  }

  /// Waits until every line is on the disk: before a checkpoint takes its name. Lines behind the newest checkpoint are void after a
  /// crash anyway.
  public func sync() throws(FileError) {
    lock.lock()
    defer { lock.unlock() }
    try file.sync()
  }
}
