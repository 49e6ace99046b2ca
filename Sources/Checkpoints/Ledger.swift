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
/// Invariant: `descriptor` is open for appending for the life of this object; one thread appends.
public final class LedgerLog {
  public let path: String
  private let descriptor: Int32
  private var seal: String

  /// Opens the ledger and cuts off what stands behind its last whole line: a crash tore it.
  public init(_ path: String) throws(FileError) {
    let ledger = try Ledger(path)
    self.path = path
    seal = ledger.seal
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError("open", path, reason: systemReason()) }
    guard ftruncate(descriptor, off_t(ledger.end)) == 0 else {
      close(descriptor)
      throw FileError("shorten", path, reason: systemReason())
    }
  }

  deinit { close(descriptor) }

  /// Adds a line, handed to the system in one write.
  ///
  /// - Parameter durably: wait until it is on the disk. Needed where a checkpoint follows: lines behind the newest checkpoint are
  ///   void after a crash anyway.
  public func append(_ entry: LedgerEntry, durably: Bool) throws(FileError) {
    let (line, seal) = entry.sealed(after: seal)
    let bytes = Array((line + "\n").utf8)
    let outcome = bytes.withUnsafeBytes { buffer in
      Result { () throws(FileError) in try AtomicFile.writeAll(buffer, to: descriptor, path: path) }
    }
    try outcome.get()
    self.seal = seal
    guard !durably || fsync(descriptor) == 0 else { throw FileError("sync", path, reason: systemReason()) }
  }
}
