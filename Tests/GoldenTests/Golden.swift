import Core
import Foundation
import Kernels
import Layers
import Safetensors
import Storage
import Testing

/// A folder that `scripts/goldens/huggingface_models.py` recorded: a saved model, its inputs and labels, what it
/// computed.
struct Golden: Sendable, CustomTestStringConvertible {
  /// What `golden.json` holds. Arrays are [samples, length], row-major.
  struct Record: Codable, Sendable {
    var samples: Int
    var length: Int
    var tokens: [Int32]
    /// 1 for a token, 0 for padding.
    var real: [Int32]
    /// As the library takes them: of a causal model the label of a position is predicted at the one before; -100 is
    /// ignored.
    var labels: [Int32]
    /// The mean over all labels that are not ignored.
    var loss: Double
    var steps: Steps?
    /// Texts with the ids that the folder's tokeniser gives them.
    var texts: [Text]?
  }

  struct Text: Codable, Sendable {
    var text: String
    var ids: [Int32]
  }

  /// Ten AdamW steps on the same samples, decay on matrices only, a constant rate.
  struct Steps: Codable, Sendable {
    struct Options: Codable, Sendable {
      var learningRate, beta1, beta2, epsilon, weightDecay, maxGradNorm: Double
    }
    var options: Options
    /// Before each step.
    var losses: [Double]
    /// Before clipping.
    var gradientNorms: [Double]
  }

  let path: String
  let record: Record

  var name: String { URL(fileURLWithPath: path).lastPathComponent }
  var testDescription: String { name }

  init(_ path: String) throws {
    self.path = path
    record = try JSONDecoder.snakeCase().decode(
      Record.self, from: Data(contentsOf: URL(fileURLWithPath: path + "/golden.json")))
  }

  /// The committed folders, and those in the folder that LOCKSTEP_GOLDENS names, which `scripts/hf-parity` makes of
  /// trained models.
  static func all() throws -> [Golden] {
    let committed = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
      .appendingPathComponent("goldens/models").path
    let more = ProcessInfo.processInfo.environment["LOCKSTEP_GOLDENS"]
    return try ([committed] + (more.map { [$0] } ?? [])).flatMap { folder in
      try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        .filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/golden.json") }.map {
          try Golden("\(folder)/\($0)")
        }
    }
  }

  func expected() throws -> SafetensorsFile { try SafetensorsFile(path + "/expected.safetensors") }

  /// Samples `range` as a network reads them.
  func input(_ range: Range<Int>, _ attentionMask: ModelConfiguration.AttentionMask) -> SequenceInput {
    let rows = range.lowerBound * record.length..<range.upperBound * record.length
    return SequenceInput(
      sampleIDs: range.map { UInt64($0) }, length: record.length, tokens: Array(record.tokens[rows]),
      ranges: AttentionRanges(
        samples: range.count, length: record.length, documentIDs: record.real[rows].map { $0 - 1 },
        causal: attentionMask == .causal,
        documentMasking: false))
  }

  /// The rows of samples `range` that have labels, counted from its first row, and their labels.
  func targets(_ range: Range<Int>, _ attentionMask: ModelConfiguration.AttentionMask) -> (rows: [Int], ids: [Int32]) {
    var (rows, ids) = ([Int](), [Int32]())
    let shift = attentionMask == .causal ? 1 : 0
    for (index, sample) in range.enumerated() {
      for i in 0..<record.length - shift {
        let label = record.labels[sample * record.length + i + shift]
        guard label >= 0 else { continue }
        rows.append(index * record.length + i)
        ids.append(label)
      }
    }
    return (rows, ids)
  }
}
