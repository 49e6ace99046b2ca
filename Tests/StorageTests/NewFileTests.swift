import Core
import Foundation
@testable import Storage
import Testing

@Suite struct NewFileTests {
  private func problem(_ path: String) -> String {
    do {
      try NewFile.check(path)
      return ""
    } catch { return error.description }
  }

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "lockstep-new-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  @Test func nothingThatStandsIsReplaced() throws {
    let taken = "it exists already. Name a new file, or remove this one."
    try withFolder { folder in
      try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/file"))
      #expect(mkfifo(folder + "/pipe", 0o600) == 0 && symlink("nowhere", folder + "/link") == 0)
      for path in ["/file", "/pipe", "/link", ""].map({ folder + $0 }) + ["/dev/null"] {
        #expect(problem(path) == "cannot write \(path): \(taken)")
      }
    }
  }

  @Test func foldersAboveAreMade() throws {
    try withFolder { folder in
      #expect(problem(folder + "/a/b/new.tsv").isEmpty)
      #expect(
        FileManager.default.fileExists(atPath: folder + "/a/b")
          && !FileManager.default.fileExists(atPath: folder + "/a/b/new.tsv"))
      try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/file"))
      #expect(problem(folder + "/file/new.tsv").contains("/file"))
    }
  }
}
