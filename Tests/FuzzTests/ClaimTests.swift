import Checkpoints
import Configuration
import Core
import Foundation
import FuzzTargets
import HuggingFace
import Safetensors
import Storage
import Testing

/// What must be refused for its meaning: a reader that survives it may still have done what it should not.
@Suite("Declared sizes and paths in files") struct ClaimTests {
  /// The system sees a separator or an end of text in each of them.
  static let leaving = [
    "../a", "/a", "..", ".", "", "../\u{301}a", "a\0b", "sub/a", String(repeating: "a", count: 256),
  ]

  @Test("only a plain name is a file beside the one that names it", arguments: leaving)
  func plainNames(name: String) {
    #expect(!isPlainFileName(name))
    #expect(isPlainFileName("model-00001-of-00002.safetensors") && isPlainFileName("..a") && isPlainFileName("é"))
  }

  @Test("a checkpoint's state.json names files of its folder only", arguments: leaving)
  func checkpointNames(name: String) throws {
    let (folder, path) = try checkpoint()
    try write(state(files: [name: Record(bytes: 0, sha256: "")]), into: folder, path)
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(opening: path) }
    #expect(error?.problem.hasSuffix("which is not a file of a checkpoint") == true, "\(error?.description ?? "")")
  }

  @Test("a link in a checkpoint is refused, the file itself is not")
  func links() throws {
    let (folder, path) = try checkpoint()
    let outside = try folder.write([1, 2, 3], to: "outside")
    try write(state(files: ["a": Record(bytes: 3, sha256: "")]), into: folder, path)
    try FileManager.default.createSymbolicLink(atPath: path + "/a", withDestinationPath: outside)
    let error = #expect(throws: CheckpointError.self) { try Checkpoint(opening: path) }
    #expect(error?.problem == "a is a link or no file")
    try FileManager.default.removeItem(atPath: path + "/a")
    _ = try folder.write([1, 2, 3], to: "checkpoints/step-00000007/a")
    #expect(try Checkpoint(opening: path).step == 7)
  }

  @Test("a training state that no run can have is refused by its key")
  func impossibleStates() throws {
    func problem(_ change: (inout TrainingState) -> Void) throws -> String {
      var state = TrainingState(
        step: 7, streamPosition: 0, samplesSeen: 0, tokensSeen: 0, objective: "ar", experimentHash: "e")
      change(&state)
      let bytes = try state.encoded()
      let error = #expect(throws: CheckpointError.self) { try TrainingState(decoding: bytes) }
      return error?.problem ?? ""
    }
    #expect(try problem { $0.step = .max } == "its step is \(Int.max); it must lie in 0...100000000")
    #expect(try problem { $0.tokensSeen = -1 } == "its tokens_seen is -1; it must lie in 0...\(Int.max)")
    #expect(try problem { $0.schedule["steps"] = .nan } == "its schedule.steps is nan; it must be a number below 1e15")
    #expect(
      try problem { $0.gradientScales["w"] = .min }.hasPrefix(
        "its gradient_scales.w is -9223372036854775808; it must lie in"))
  }

  @Test("the number of a start's record cannot overflow")
  func launches() throws {
    let folder = ScratchFolder()
    _ = try folder.write([], to: "launches/\(Int.max).json")
    _ = try folder.write([], to: "launches/0002.json")
    let run = RunFolder(folder.path)
    #expect(try run.writeLaunch([]).hasSuffix("/launches/0003.json"))
  }

  @Test("weights that a config.json promises and the files do not hold take no memory")
  func promisedWeights() throws {
    let folder = ScratchFolder()
    let header = Array(#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.utf8)
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    _ = try folder.write(length + header + [0, 0, 0, 0], to: "model.safetensors")
    _ = try folder.write(
      Array(#"{"model_type":"gpt2","vocab_size":2000000000,"n_positions":4,"n_embd":4,"n_layer":1,"n_head":2}"#.utf8),
      to: "config.json")
    let error = #expect(throws: CheckpointError.self) { try HuggingFaceSource(folder.path).requireWeights() }
    #expect(error?.problem == "config.json describes a model of at least 8000000208 weights, and the files hold 1")
  }

  @Test("a sentence quotes no more than a person reads, and nothing that a terminal obeys")
  func sentences() {
    #expect(printable("a\u{1B}[2Jb\n") == #"a\x1b[2Jb"# + "\n")
    let long = printable(String(repeating: "a", count: 10_000) + "end")
    #expect(long.utf8.count < 620 && long.hasSuffix("end"))
  }

  @Test("a configuration of one key too many is refused with the first of them, and of equal keys with their name")
  func configurations() {
    func problems(_ text: String) -> [String] {
      do { _ = try RunConfiguration(toml: text, place: "my.toml") } catch {
        return error.problems.map { "\($0.key) \($0.sentence)" }
      }
      return []
    }
    #expect(problems("\"é\" = 1\n\"e\u{301}\" = 2\n") == ["my.toml has two keys that read é."])
    #expect(
      problems("seed = 1\n[=a]\n") == [
        "my.toml:2 is not TOML: a table begins with its name between brackets, as in [model]."
      ])
    #expect(
      problems("é = 1") == [
        "my.toml:1 is not TOML: outside quotes and comments all characters are ASCII; put the text into quotes."
      ])
    #expect(!problems("a = [\n [+1, 2],\n [ # é\n { b = 1 } ],\n]\n[ \"é\" ]\n[[ b ]]\n")[0].contains("TOML"))
    #expect(problems("a = 1\0b = 2") == ["my.toml is not TOML: it holds a zero byte."])
    #expect(
      problems("a" + String(repeating: ".a", count: 1001) + " = 1")[0].hasPrefix(
        "my.toml has 1001 dots outside quotes and comments"))
    #expect(
      !problems("# " + String(repeating: ".", count: 2000) + "\na = '" + String(repeating: ".", count: 2000) + "'")[0]
        .contains("dots"))
    #expect(
      problems((0..<20).map { "k\($0) = 1" }.joined(separator: "\n")).filter { $0.contains("is not a key") }.count == 12
    )
  }

  // MARK: - A checkpoint by hand

  private struct Record: Encodable {
    var bytes: Int
    var sha256: String
  }

  private func checkpoint() throws -> (ScratchFolder, path: String) {
    let folder = ScratchFolder()
    return (folder, folder.path + "/checkpoints/step-00000007")
  }

  private func state(files: [String: Record]) throws -> [UInt8] {
    struct Document: Encodable {
      var files: [String: Record]
      var training: TrainingState
    }
    let training = TrainingState(
      step: 7, streamPosition: 0, samplesSeen: 0, tokensSeen: 0, objective: "ar", experimentHash: "e")
    let body = Array(try JSONEncoder.snakeCase().encode(Document(files: files, training: training)).dropLast())
    return body + Array((",\n\"sha256\":\"" + SHA256.of(body) + "\"}\n").utf8)
  }

  private func write(_ state: [UInt8], into folder: ScratchFolder, _ path: String) throws {
    _ = try folder.write(state, to: "checkpoints/step-00000007/state.json")
  }
}
