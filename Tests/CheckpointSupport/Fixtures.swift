import Checkpoints
import Core
import Foundation
import Safetensors
import Tensors

/// A folder of its own for a test, removed at the end.
public final class Scratch: Sendable {
  public let path: String

  public init() throws {
    path = NSTemporaryDirectory() + "lockstep-checkpoints-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// A folder inside another one, which removes it.
  public init(inside outer: Scratch, _ name: String) throws {
    path = outer.path + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }
}

public func contents(of path: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(fileURLWithPath: path))) }

/// Every file below a folder, by its relative path.
public func tree(_ path: String) throws -> [String: [UInt8]] {
  var files: [String: [UInt8]] = [:]
  for name in try FileManager.default.subpathsOfDirectory(atPath: path) where Folders.isFile(path + "/" + name) {
    files[name] = try contents(of: path + "/" + name)
  }
  return files
}

/// The sentence of the error a block throws.
public func sentence(_ work: () throws -> Void) -> String {
  do {
    try work()
    return "nothing was thrown"
  } catch { return "\(error)" }
}

public func layout(_ specs: [(String, [Int])]) -> ParameterLayout {
  var layout = ParameterLayout()
  for (name, shape) in specs { layout.append(ParameterSpec(name, shape, decay: shape.count == 2, .zeros)) }
  return layout
}

/// A store whose every value encodes where it is: `seed` + index / 8, exact in all formats used here.
public func store(_ layout: ParameterLayout, seed: Float = 0) -> ParameterStore {
  let store = ParameterStore(layout)
  for entry in layout.entries {
    let view = store.view(entry.index)
    for i in 0..<view.count { view[i] = seed + Float(entry.offset + i) / 8 }
  }
  return store
}

public func values(_ store: ParameterStore) -> [Float] { store.all.array }

/// The parameters a model declares, by the contract between models and checkpoints.
public func layout(for model: ModelConfiguration) -> ParameterLayout {
  let (width, inner, table) = (model.hiddenSize, model.intermediateSize, model.resolvedEmbeddingSize)
  var specs: [(String, [Int])] = []
  func linear(_ name: String, _ inputs: Int, _ outputs: Int) {
    specs.append((name + ".weight", model.inputMajorWeights ? [inputs, outputs] : [outputs, inputs]))
    if model.bias { specs.append((name + ".bias", [outputs])) }
  }
  func norm(_ name: String, _ width: Int) {
    specs.append((name + ".weight", [width]))
    if model.norm == .layer { specs.append((name + ".bias", [width])) }
  }
  specs.append(("embedding.token", [model.vocabSize, table]))
  if model.positionEmbedding == .learned { specs.append(("embedding.position", [model.maxPosition, table])) }
  if model.typeVocabSize > 0 { specs.append(("embedding.type", [model.typeVocabSize, table])) }
  if model.normPlacement == .post { norm("embedding.norm", table) }
  if table != width { linear("embedding.projection", table, width) }
  for i in 0..<model.numLayers {
    linear("block.\(i).attention.qkv", width, 3 * width)
    linear("block.\(i).attention.out", width, width)
    norm("block.\(i).norm1", width)
    linear("block.\(i).feedForward.up", width, model.activation == .swiglu ? 2 * inner : inner)
    linear("block.\(i).feedForward.down", inner, width)
    norm("block.\(i).norm2", width)
  }
  if model.normPlacement == .pre { norm("norm", width) }
  if model.head == .replaced {
    linear("head.dense", width, width)
    linear("head.output", width, 1)
    return layout(specs)
  }
  if model.headTransform {
    linear("head.transform", width, table)
    norm("head.norm", table)
    specs.append(("head.bias", [model.vocabSize]))
  }
  if !model.tieWordEmbeddings { specs.append(("head.weight", [model.vocabSize, table])) }
  return layout(specs)
}

/// The folder with the models that `scripts/goldens/huggingface_checkpoints.py` recorded.
public let goldenFolder =
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  .appendingPathComponent("goldens/huggingface").path

public let goldenNames = [
  "gpt2", "gpt2-untied", "bert", "bert-untied", "llama", "llama-tied", "electra", "electra-generator",
]

public func trainingState(step: Int) -> TrainingState {
  TrainingState(
    step: step, streamPosition: UInt64(step) * 16, samplesSeen: step * 16, tokensSeen: step * 1024,
    schedule: ["totalSteps": 1000, "warmup_steps": 0.1], gradientScales: ["a": -12, "b": 30],
    objective: "mlm", experimentHash: "ab12", bestValidationLoss: 2.5, bestStep: 1)
}

/// A small checkpoint of a step; the values depend on `seed`.
public func checkpoint(step: Int, seed: Float = 0, size: Int = 5) -> CheckpointContents {
  let parameters = store(layout([("w", [3, size]), ("b", [7])]), seed: seed)
  return CheckpointContents(
    tensorFiles: [
      "model.safetensors": NamedTensor.all(of: parameters),
      "optimizer.safetensors": NamedTensor.all(of: parameters, prefix: "m."),
    ],
    byteFiles: ["config.json": Array("{\"a\": 1}\n".utf8)], state: trainingState(step: step))
}

@discardableResult
public func commit(_ run: RunFolder, step: Int, seed: Float = 0) throws -> CommitOutcome {
  try run.commit(checkpoint(step: step, seed: seed))
}

public func flip(_ path: String, byte: Int, bit: Int = 0) throws {
  var bytes = try contents(of: path)
  bytes[byte] ^= 1 << UInt8(bit)
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}
