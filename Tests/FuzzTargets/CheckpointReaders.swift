import Checkpoints
import Core
import Data
import HuggingFace
import Safetensors
import Storage

extension FileReader {
  static let checkpointReaders = [
    FileReader("safetensors", place: "model.safetensors") { bytes, scratch in
      let file = try SafetensorsFile(try scratch.write(bytes, to: "model.safetensors"))
      for tensor in file.tensors.prefix(8) {
        _ = file.same(tensor.name, file.tensors[0].name)
        _ = try file.floats(tensor.name)
      }
    },
    FileReader("state", place: "state", updateChecksum: Examples.stateWithChecksum) { bytes, scratch in
      let state = try TrainingState(decoding: bytes)
      _ = try TrainingState(decoding: state.encoded())
    },
    FileReader("checkpoint", place: "step-00000007", updateChecksum: Examples.stateWithChecksum) { bytes, scratch in
      let folder = "run/checkpoints/step-00000007"
      _ = try scratch.write(Examples.weights, to: folder + "/model.safetensors")
      let path = try scratch.write(bytes, to: folder + "/state.json")
      let checkpoint = String(path.dropLast("/state.json".count))
      _ = CheckpointSummary(of: checkpoint).lines
      let opened = try Checkpoint(verifying: checkpoint)
      try demand(
        opened.files.keys.allSatisfy { !$0.utf8.contains(UInt8(ascii: "/")) },
        "a file outside the checkpoint was accepted")
    },
  ]

  static let importReaders = [
    FileReader("config", place: "config.json") { bytes, _ in
      let model = try ModelConfiguration(huggingFaceJSON: bytes, path: "config.json")
      try demand(model.problems(prefix: "model").isEmpty, "an impossible shape was accepted")
      _ = HuggingFaceNames.tensors(for: model).count
      _ = HuggingFaceConfiguration.json(for: model, vocabulary: Vocabulary(size: model.vocabSize))
    },
    FileReader("index", place: "hf") { bytes, scratch in
      _ = try scratch.write(Examples.configuration, to: "hf/config.json")
      _ = try scratch.write(Examples.weights, to: "hf/a.safetensors")
      let index = try scratch.write(bytes, to: "hf/model.safetensors.index.json")
      _ = try HuggingFaceSource(String(index.dropLast("/model.safetensors.index.json".count))).names
    },
    FileReader("weights", place: "weights") { bytes, scratch in
      let cut = bytes.firstIndex(of: 0) ?? bytes.count
      let model = try scratch.write(Array(bytes[..<cut]), to: "weights/config.json")
      _ = try scratch.write(Array(bytes[cut...].dropFirst()), to: "weights/model.safetensors")
      let source = try HuggingFaceSource(String(model.dropLast("/config.json".count)))
      try source.requireWeights()
    },
  ]
}

/// Small sound files that stand beside the one under test.
enum Examples {
  /// One tensor of two floats.
  static let weights: [UInt8] = {
    let header = Array(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.utf8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + [0, 0, 128, 63, 0, 0, 0, 64]
  }()

  static let configuration = Array(
    #"{"model_type":"gpt2","vocab_size":8,"n_positions":4,"n_embd":4,"n_layer":1,"n_head":2}"#.utf8)

  /// The body of a `state.json`, without its closing brace, closed by its digest.
  static let stateWithChecksum: @Sendable ([UInt8]) -> [UInt8] = { body in
    body + Array((",\n\"sha256\":\"" + SHA256.of(body) + "\"}\n").utf8)
  }

  /// The body of a `corpus.json`, without its closing brace, closed by its digest.
  static let manifestWithChecksum: @Sendable ([UInt8]) -> [UInt8] = { body in
    body + Array(",\n  \"sha256\" : \"\(SHA256.of(body))\"\n}\n".utf8)
  }

  /// A shard whose header has the right digest.
  static let shardWithChecksum: @Sendable ([UInt8]) -> [UInt8] = { bytes in
    guard bytes.count >= 256 else { return bytes }
    return Array(bytes[..<224]) + SHA256.of(Array(bytes[..<224])).bytesOfHexadecimal + bytes[256...]
  }
}

extension String {
  fileprivate var bytesOfHexadecimal: [UInt8] {
    let digits = utf8.map { UInt8(truncatingIfNeeded: Character(Unicode.Scalar($0)).hexDigitValue ?? 0) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}
