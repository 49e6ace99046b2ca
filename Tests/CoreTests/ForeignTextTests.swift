@testable import Core
import Testing

@Suite("Text of others in messages")
struct ForeignTextTests {
  @Test("what commands a terminal is spelt out, and nothing else")
  func controls() {
    #expect(withoutControls("a\u{1B}[31mb\r\u{7F}\u{9B}c") == #"a\x1b[31mb\r\x7f\x9bc"#)
    #expect(withoutControls("\u{202E}evil\u{2069}") == #"\u202eevil\u2069"#)
    let harmless = "naïve — \u{300}é 日本 שלום 👍🏽\ttab\nline"
    #expect(withoutControls(harmless) == harmless)
  }

  @Test("a name stays on one line, in every kind of error")
  func names() {
    #expect(printableName("a\nerror: forged") == #"a\nerror: forged"#)
    let path = "runs/\u{1B}[2J\nx"
    #expect(!DataError(path, "is bad.").description.contains("\n"))
    #expect(FileError("read", path, reason: "no").description == #"cannot read runs/\x1b[2J\nx: no."#)
    #expect(!ConfigurationError("name", is: path, rule: "no.").description.contains("\n"))
  }

  @Test("the reader that has gone has a code of its own")
  func codes() {
    #expect(FileError("write", "standard output", reason: "", exitCode: .closedPipe).exitCode.rawValue == 141)
    #expect(FileError("write", "x", reason: "").exitCode == .inputOutput)
  }
}
