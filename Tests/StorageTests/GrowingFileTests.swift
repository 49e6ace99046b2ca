import Foundation
@testable import Storage
import Synchronization
import Testing

/// Whether the injected fault is in force, and how often it was called.
final class Fault: Sendable {
  let isOn = Atomic<Bool>(false)
  let code: Int32

  init(_ code: Int32) { self.code = code }

  func during<Value>(_ body: () throws -> Value) rethrows -> Value {
    try FileFaults.injecting(
      { [self] operation, _ in operation == "write" && isOn.load(ordering: .relaxed) ? code : nil }, body)
  }
}

@Suite struct GrowingFileTests {
  private func folder() throws -> String {
    let path = NSTemporaryDirectory() + "lockstep-growing-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  private func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
  }

  @Test func whatCannotBeWrittenIsKeptAndWrittenNext() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let fault = Fault(ENOSPC)
    try fault.during {
      let file = try GrowingFile(folder + "/log")
      try file.append(Array("one\n".utf8))
      fault.isOn.store(true, ordering: .relaxed)
      for piece in ["two\n", "three\n"] {
        #expect(throws: (any Error).self) { try file.append(Array(piece.utf8)) }
      }
      #expect(try text(folder + "/log") == "one\n")
      #expect(file.pending == Array("two\nthree\n".utf8))
      fault.isOn.store(false, ordering: .relaxed)
      try file.append(Array("four\n".utf8))
      #expect(try text(folder + "/log") == "one\ntwo\nthree\nfour\n")
      #expect(file.pending.isEmpty)
    }
  }

  @Test func aPieceWrittenInPartIsCutBack() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let file = try GrowingFile(folder + "/log")
    try file.append([UInt8](repeating: 65, count: 1000))
    // The limit holds for the whole process; no other test sets it or writes a file of this size meanwhile.
    signal(SIGXFSZ, SIG_IGN)
    var old = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
    var limit = rlimit(rlim_cur: 64 << 20, rlim_max: old.rlim_max)
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    let large = [UInt8](repeating: 66, count: 65 << 20)
    let error = #expect(throws: (any Error).self) { try file.append(large) }
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
    #expect("\(error.map { "\($0)" } ?? "")".contains("File too large"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/log")).count == 1000)
    try file.flush()
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder + "/log")).count == 1000 + (65 << 20))
  }

  @Test func aRemovedOrReplacedFileIsBegunAnewWithItsPreamble() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let file = try GrowingFile(folder + "/log", preamble: Array("head\n".utf8))
    #expect(try file.append(Array("one\n".utf8)) == false)
    #expect(try text(folder + "/log") == "head\none\n")
    try FileManager.default.removeItem(atPath: folder + "/log")
    #expect(try file.append(Array("two\n".utf8)) == true)
    #expect(try text(folder + "/log") == "head\ntwo\n")
    try Data("other\n".utf8).write(to: URL(fileURLWithPath: folder + "/new"))
    #expect(rename(folder + "/new", folder + "/log") == 0)
    #expect(try file.append(Array("after\n".utf8)) == true)
    #expect(try text(folder + "/log") == "other\nafter\n")
    try FileManager.default.removeItem(atPath: folder + "/log")
    try file.append(Array("two\n".utf8))
    try FileManager.default.moveItem(atPath: folder, toPath: folder + "-moved")
    #expect(throws: (any Error).self) { try file.append(Array("three\n".utf8)) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    #expect(try file.flush() == true)
    #expect(try text(folder + "/log") == "head\nthree\n")
    #expect(try text(folder + "-moved/log") == "head\ntwo\n")
    try FileManager.default.removeItem(atPath: folder + "-moved")
  }

  @Test func anOpenedFileGoesOnWhereItEnded() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for piece in ["a", "b"] { try GrowingFile(folder + "/log", preamble: Array("head".utf8)).append(Array(piece.utf8)) }
    #expect(try text(folder + "/log") == "headab")
  }

  /// A removed file comes back with everything in it, what could not be written in between included.
  @Test func aFileThatRemembersLosesNothing() throws {
    let folder = try folder()
    try Data("old\n".utf8).write(to: URL(fileURLWithPath: folder + "/log"))
    let file = try GrowingFile(folder + "/log", preamble: Array("old\n".utf8), remembers: true)
    try file.append(Array("one\n".utf8))
    try FileManager.default.removeItem(atPath: folder)
    #expect(throws: (any Error).self) { try file.append(Array("two\n".utf8)) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try file.append(Array("three\n".utf8))
    #expect(try text(folder + "/log") == "old\none\ntwo\nthree\n")
  }
}
