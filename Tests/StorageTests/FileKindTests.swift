import Core
import Foundation
import Storage
import Testing

@Suite struct FileKindTests {
  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "lockstep-kinds-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  @Test func whatStandsUnderAPathIsSaidWithoutFollowingLinks() throws {
    try withFolder { folder in
      _ = FileManager.default.createFile(atPath: folder + "/file", contents: Data([1]))
      symlink(folder + "/nowhere", folder + "/link")
      mkfifo(folder + "/pipe", 0o600)
      let found = try ["file", "", "link", "pipe", "nowhere", "file/below"].map { try FileKind.of(folder + "/" + $0) }
      #expect(found == [.file, .folder, .link, .special, .absent, .absent])
      #expect(try FileKind.measure(folder + "/file").bytes == 1)
      #expect(throws: FileError.self) {
        try FileFaults.injecting({ _, _ in EACCES }) { try FileKind.of(folder + "/file") }
      }
    }
  }

  @Test func aGrowingFileIsNeitherALinkNorAPipe() throws {
    try withFolder { folder in
      symlink(folder + "/target", folder + "/link")
      mkfifo(folder + "/pipe", 0o600)
      for name in ["link", "pipe"] { #expect(throws: FileError.self) { try GrowingFile(folder + "/" + name) } }
      #expect(!FileManager.default.fileExists(atPath: folder + "/target"))
    }
  }

  @Test func onePathHasOneSpelling() throws {
    try withFolder { folder in
      symlink(folder, folder + "-link")
      defer { unlink(folder + "-link") }
      let real = canonicalPath(folder)
      for other in [folder + "/", folder + "/.", folder + "-link", folder + "/x/..", folder + "-link/"]
      where other != folder + "/x/.." {
        #expect(canonicalPath(other) == real, "\(other)")
      }
      #expect(canonicalPath("nowhere/../nowhere/x") == "nowhere/x")
      #expect(canonicalPath("./nowhere") == canonicalPath(FileManager.default.currentDirectoryPath + "/nowhere"))
    }
  }

  @Test func randomNamesAreRecognised() {
    let name = TemporaryName.random()
    #expect(TemporaryName.isRandom(name) && name != TemporaryName.random())
    for text in ["", "77", "0123456789ABCDEF", "0123456789abcdeg", name + "0"] {
      #expect(!TemporaryName.isRandom(text))
    }
  }

  @Test func aScanFindsTheMembersOfOneObject() {
    func scan(_ text: String) -> [String]? {
      var found: [String] = []
      let isObject = Array(text.utf8).withUnsafeBytes { bytes in
        JSONValue.scan(bytes) {
          found.append(String(decoding: $0, as: UTF8.self) + "=" + String(decoding: $1, as: UTF8.self))
        }
      }
      return isObject ? found : nil
    }
    #expect(
      scan(#" {"a":1, "b" : [1,{"c":"}"}], "d\"":"x\\","e":-1.5e3,"f":null} "#) == [
        "a=1", #"b=[1,{"c":"}"}]"#, #"d\"="x\\""#, "e=-1.5e3", "f=null",
      ])
    #expect(scan("{}") == [])
    for text in ["", "[]", "{", "{\"a\"}", "{\"a\":1", "{\"a\":1}x", "{\"a\":tru}", "{\"a\":1,}", "{\"a\":\"\u{1}\"}"] {
      #expect(scan(text) == nil, "\(text)")
    }
    #expect(JSONValue.integer(spelt: Array("42".utf8)) == 42)
    for text in ["", "-1", "4.2", "1234567890123456789"] { #expect(JSONValue.integer(spelt: Array(text.utf8)) == nil) }
  }
}
