import Core
@testable import Data
import DataSupport
import Foundation
import Glibc
@testable import Preparation
import Storage
import Testing

/// What folders hold beside text, and what the first bytes of a file say.
@Suite struct SearchTests {
  private func outcome(
    _ folder: TemporaryFolder, _ inputs: [String], into target: String = "corpus", _ options: PreparationOptions? = nil
  ) throws -> PreparationOutcome {
    let plain = PreparationOptions(split: .tail(fraction: 0), threads: 1)
    return try CorpusPreparation(
      inputs: inputs.map { folder.path + "/" + $0 }, target: folder.path + "/" + target,
      tokenizer: .ready(PairTokenizer()), options: options ?? plain
    ).run()
  }

  private func passedOver(_ outcome: PreparationOutcome) -> String {
    outcome.notes.first { $0.contains("passed over") } ?? ""
  }

  @Test func namesThatAreNotUTF8AreRead() throws {
    let folder = try TemporaryFolder()
    try folder.write("in/a.txt", "first")
    let name = SystemPath(folder.path + "/in").appending(Array("caf".utf8) + [0xE9] + Array("\n.TXT".utf8))
    let descriptor = name.withCString { open($0, O_WRONLY | O_CREAT, 0o644) }
    #expect(write(descriptor, "second", 6) == 6)
    close(descriptor)
    let manifest = try outcome(folder, ["in"]).manifest
    #expect(manifest.sources.map(\.name) == ["in/a.txt", "in/caf\\xe9\\x0a.TXT"])
    #expect(try Corpus(folder.path + "/corpus").texts(.train) == ["first", "second"])
  }

  @Test func whatIsNoFileIsCountedAndNamed() throws {
    let folder = try TemporaryFolder()
    for name in ["a.txt", "b.png", ".git/x.txt", "deep/c.txt"] { try folder.write("in/" + name, "text") }
    symlink("/nowhere/b.txt", folder.path + "/in/dead.txt")
    symlink("self.txt", folder.path + "/in/self.txt")
    symlink("..", folder.path + "/in/deep/up")
    mkfifo(folder.path + "/in/pipe.txt", 0o600)
    let made = try outcome(folder, ["in"])
    #expect(made.manifest.sources.map(\.name) == ["in/a.txt", "in/deep/c.txt"])
    #expect(
      passedOver(made)
        == "6 files passed over: 2 links to nothing (in/dead.txt -> /nowhere/b.txt, in/self.txt -> self.txt); a named pipe (in/pipe.txt); a name that begins with a dot (in/.git); by the ending (in/b.png); a folder reached before by another path (in/deep/up)"
    )
    #expect(passedOver(try outcome(folder, ["in"])) == passedOver(made), "said of a corpus that is there as well")
    #expect(
      folder.problem(["in/pipe.txt"], into: "2")
        == "in/pipe.txt: is a named pipe. Name a file or a folder of text; what comes through a pipe is read as --input -."
    )
    #expect(
      folder.problem(["in/dead.txt"], into: "2")
        == "in/dead.txt: is a link to /nowhere/b.txt, which does not exist. Check the path.")
  }

  @Test func foldersAndFilesAreLeftOutByPatterns() throws {
    let folder = try TemporaryFolder()
    for name in ["a.txt", "a.bak.txt", "old/b.txt", "new/old/c.txt", "new/d.txt", "new/e.txt"] {
      try folder.write("in/" + name, name)
    }
    func names(_ exclude: [String]) throws -> [String] {
      let options = PreparationOptions(split: .tail(fraction: 0), threads: 1, force: true, exclude: exclude)
      return try outcome(folder, ["in"], options).manifest.sources.map { String($0.name.dropFirst(3)) }
    }
    #expect(try names(["old", "*.bak.*"]) == ["a.txt", "new/d.txt", "new/e.txt"])
    #expect(try names(["new/*.txt"]) == ["a.bak.txt", "a.txt", "new/old/c.txt", "old/b.txt"])
    #expect(try names(["/old/"]) == ["a.bak.txt", "a.txt", "new/d.txt", "new/e.txt", "new/old/c.txt"])
    let unused = try outcome(
      folder, ["in"], PreparationOptions(split: .tail(fraction: 0), threads: 1, force: true, exclude: ["typo"]))
    #expect(unused.notes.contains("--exclude typo matched nothing"))
    #expect(
      folder.problem(["in"], into: "2", PreparationOptions(exclude: ["/"]))
        == "--exclude is \"/\"; it must be a pattern such as drafts, *.bak or old/*.txt.")
  }

  @Test func aCorpusIsNoSourceOfItself() throws {
    let folder = try TemporaryFolder()
    try folder.write("in/a.txt", "text")
    _ = try outcome(folder, ["in"], into: "in/corpus")
    let again = try outcome(folder, ["in"], into: "in/corpus")
    #expect(again.alreadyPrepared && passedOver(again) == "1 file passed over: the corpus itself (in/corpus)")
  }

  @Test func compressedFilesAreKnownByTheirBytes() throws {
    let folder = try TemporaryFolder()
    let packed = Gzip.deflate(Array("packed text".utf8))
    for name in ["upper.txt.GZ", "plain.txt"] { try folder.write("in/" + name, packed) }
    _ = try outcome(folder, ["in"])
    #expect(try Corpus(folder.path + "/corpus").texts(.train) == ["packed text", "packed text"])
    try folder.write("bad.txt.xz", "not compressed")
    #expect(
      folder.problem(["bad.txt.xz"], into: "2")
        == "bad.txt.xz: is not a xz file: it does not begin with the bytes fd 37 7a 58 5a 00. Rename it if it is not compressed."
    )
    try folder.write("twice.txt.gz", Gzip.deflate(packed))
    #expect(
      folder.problem(["twice.txt.gz"], into: "2")
        == "twice.txt.gz: is compressed twice, the second time by gzip. Unpack it once.")
  }

  @Test(arguments: [
    ("BZh91AY&SY", "a bzip2 file"), ("PK\u{3}\u{4}", "a zip file"), ("PAR1", "a Parquet file"),
    ("%PDF-1.7", "a PDF file"),
    ("SQLite format 3\0", "an SQLite database"), ("h\0e\0l\0l\0o\0", "text in UTF-16LE without a byte order mark"),
    ("\0h\0e\0l\0l\0o", "text in UTF-16BE without a byte order mark"),
    ("h\0\0\0i\0\0\0", "text in UTF-32LE without a byte order mark"),
    ("\0\0\0\0\0\0\0\0", "a binary file: 8 of its first 8 bytes are zero"),
  ])
  func whatIsNoTextIsRefusedByName(_ text: String, _ what: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("in/a.txt", text)
    try folder.write("in/b.txt", "text")
    #expect(folder.problem(["in/a.txt"]).hasPrefix("in/a.txt: is \(what). "))
    #expect(passedOver(try outcome(folder, ["in"])) == "1 file passed over: \(what) (in/a.txt)")
    try folder.write("packed.txt.gz", Gzip.deflate(Array(text.utf8)))
    #expect(folder.problem(["packed.txt.gz"], into: "2").hasPrefix("packed.txt.gz: is \(what). "))
  }

  @Test func aTextThatOnlyLooksLikeBzip2IsText() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "BZh is how such a file begins")
    _ = try outcome(folder, ["a.txt"])
  }

  @Test func sparseFilesAreRefusedAtOnce() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.txt", "text at the beginning")
    guard truncate(path, 1 << 41) == 0, folder.problem(["a.txt"]) != "no error" else { return }
    #expect(folder.problem(["a.txt"]).contains("a.txt: is a file with a hole"))
  }

  @Test(arguments: [false, true]) func textWithAByteOrderMarkIsConverted(bigEndian: Bool) throws {
    let folder = try TemporaryFolder()
    let text = "\u{FEFF}id,text\r\n1,\"ré, 😀\"\r\n2,zwei\r\n"
    let units = text.utf16.flatMap {
      bigEndian ? [UInt8($0 >> 8), UInt8($0 & 255)] : [UInt8($0 & 255), UInt8($0 >> 8)]
    }
    try folder.write("a.csv", units)
    let made = try outcome(folder, ["a.csv"])
    #expect(try Corpus(folder.path + "/corpus").texts(.train) == ["ré, 😀", "zwei"])
    #expect(made.notes.contains("\(folder.path)/a.csv: converted from UTF-16\(bigEndian ? "BE" : "LE") to UTF-8"))
    // Cut off in the middle of a character.
    try folder.write("cut.csv", Array(units.dropLast()))
    #expect(
      try outcome(folder, ["cut.csv"], into: "cut").notes.contains {
        $0.contains("to UTF-8; 1 U+FFFD stand for what was no character")
      })
    let wide = text.unicodeScalars.flatMap { scalar in
      (0..<4).map { UInt8(scalar.value >> UInt32(8 * (bigEndian ? 3 - $0 : $0)) & 255) }
    }
    try folder.write("b.csv", wide)
    _ = try outcome(folder, ["b.csv"], into: "2")
    #expect(try Corpus(folder.path + "/2").texts(.train) == ["ré, 😀", "zwei"])
  }

  @Test func halvesOfPairsBecomeReplacementCharacters() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", [0xFF, 0xFE, 0x00, 0xD8, 0x41, 0x00, 0x00, 0xDC, 0x00, 0xD8, 0x42])
    _ = try outcome(folder, ["a.txt"])
    #expect(try Corpus(folder.path + "/corpus").texts(.train) == ["\u{FFFD}A\u{FFFD}\u{FFFD}"])
  }

  @Test func oddLinesAreCountedByFile() throws {
    let folder = try TemporaryFolder()
    try folder.write("latin.txt", [0x61, 0x0A, 0x63, 0x61, 0x66, 0xE9, 0x0A, 0x62, 0x0A, 0xFC, 0x0A])
    try folder.write("windows.txt", [0x93, 0x61, 0x94, 0x0A])
    try folder.write("broken.txt", Array("é ok\n".utf8) + Array("é".utf8) + [0xFF, 0x0A])
    try folder.write("crlf.txt", "one\r\ntwo\r\nthree\n")
    try folder.write("zero.txt", "one\n" + String(repeating: "x", count: 300) + "\0\n")
    let options = PreparationOptions(format: .all(.text(.lines)), split: .tail(fraction: 0), threads: 2)
    let made = try outcome(folder, ["latin.txt", "windows.txt", "broken.txt", "crlf.txt", "zero.txt"], options)
    let notes = made.notes.map { $0.replacingOccurrences(of: folder.path + "/", with: "") }
    for expected in [
      "latin.txt: 2 lines are not valid UTF-8, from line 2 on; the bytes were kept; it looks like ISO-8859-1: iconv -f ISO-8859-1 -t UTF-8 converts it",
      "windows.txt: 1 line is not valid UTF-8, from line 1 on; the bytes were kept; it looks like WINDOWS-1252: iconv -f WINDOWS-1252 -t UTF-8 converts it",
      "broken.txt: 1 line is not valid UTF-8, from line 2 on; the bytes were kept",
      "crlf.txt: 2 lines end in CRLF; the carriage return is no text at the end of a document or row, and is kept inside one",
      "zero.txt: 1 line with a zero byte, from line 2 on; the bytes were kept",
    ] { #expect(notes.contains(expected), "\(notes)") }
    #expect(try Corpus(folder.path + "/corpus").texts(.train).contains("two"))
  }

  @Test func aFileThatChangesIsFound() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a.txt", someDocuments(200).joined())
    func problem(_ change: @escaping () throws -> Void) -> String {
      let preparation = CorpusPreparation(
        inputs: [path], target: folder.path + "/corpus", tokenizer: .ready(PairTokenizer()),
        options: PreparationOptions(split: .tail(fraction: 0), threads: 1))
      return sentence { _ = try preparation.run { if $0.phase == .scanning { try change() } } }.replacingOccurrences(
        of: folder.path + "/", with: "")
    }
    let size = try folder.read("a.txt").count
    #expect(
      problem { truncate(path, 100) }
        == "a.txt: changed while it was read: it has 100 bytes where it had \(size). Prepare it when nothing writes to it, or prepare a copy."
    )
    try folder.write("a.txt", someDocuments(200).joined())
    #expect(
      problem {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.write(contentsOf: Data([1]))
        try file.close()
      }
        == "a.txt: changed while it was read: it holds other bytes than at first. Prepare it when nothing writes to it, or prepare a copy."
    )
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.txt"])
    // What is only added to is read as far as it went at first.
    try folder.write("a.txt", "some text")
    #expect(
      problem {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data("more".utf8))
        try file.close()
      } == "no error")
    #expect(try Corpus(folder.path + "/corpus").texts(.train) == ["some text"])
  }

  @Test func recordsAreCutAlikeWhateverThePieces() throws {
    let text = Array("\u{FEFF}a,\"b\r\nc\"\"d\",e\r\n\r\n\"\",\"\"\nlast,\"x\"".utf8)
    for format in [
      InputFormat.csv(TableLayout(columns: [.number(1)], hasHeader: false)), .text(.lines), .text(.blankLines),
      .text(.wholeFile),
    ] {
      var all: [[[UInt8]]] = []
      for piece in [1, 2, 3, 1000] {
        var reader = try RecordReader(Pieces(text, piece), format: format, path: "x")
        var (bytes, records) = ([UInt8](), [[UInt8]]())
        while let record = try reader.next(into: &bytes) { records.append(Array(bytes[record.range])) }
        all.append(records)
      }
      #expect(Set(all).count == 1, "\(format)")
    }
  }

  @Test func aSmallFileThatInflatesToOneHugeLineIsRefused() throws {
    let folder = try TemporaryFolder()
    let million = Gzip.deflate([UInt8](repeating: 65, count: 1 << 20), level: 9)
    try folder.write("bomb.txt.gz", (0..<65).flatMap { _ in million })
    let stored = try folder.read("bomb.txt.gz").count
    #expect(stored < 1 << 17)
    #expect(
      folder.problem(["bomb.txt.gz"], options(lines: true)).hasPrefix(
        "bomb.txt.gz, line 1: begins a document or row of more than "))
  }

  private func options(lines: Bool) -> PreparationOptions {
    PreparationOptions(format: .all(.text(lines ? .lines : .wholeFile)), split: .tail(fraction: 0), threads: 1)
  }

  @Test func recordsThatAreTooLongAreRefused() throws {
    let window = try TextWindow(Pieces([UInt8](repeating: 65, count: 3000), 1000), path: "x", mostBytes: 2000)
    #expect(sentence { _ = try window.nextLine() }.hasPrefix("x, line 1: begins a document or row of more than"))
    let rest = try TextWindow(Pieces([UInt8](repeating: 65, count: 3000), 1000), path: "x", mostBytes: 2000)
    var text: [UInt8] = []
    #expect(sentence { try rest.takeRest(into: &text) }.hasPrefix("x, line 1: begins a document or row of more than"))
  }
}

/// Bytes of memory, a few at a time.
private final class Pieces: ByteReader {
  private var bytes: ArraySlice<UInt8>
  private let piece: Int

  init(_ bytes: [UInt8], _ piece: Int) { (self.bytes, self.piece) = (bytes[...], piece) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let part = bytes.prefix(min(piece, buffer.count))
    buffer.copyBytes(from: part)
    bytes = bytes.dropFirst(part.count)
    return part.count
  }
}
