import Core
import Foundation
import Safetensors
import Storage

/// What a run needs besides tensors to go on as if it had never stopped. No time, host or rank is in it:
/// two checkpoints of one step are equal files.
public struct TrainingState: Codable, Sendable, Equatable {
  public static let currentFormatVersion = 2

  public var formatVersion: Int
  /// Finished optimiser steps.
  public var step: Int
  /// The next sample's position in the stream.
  public var streamPosition: UInt64
  public var samplesSeen: Int
  public var tokensSeen: Int
  /// What the schedule was made from, such as warm-up and total steps.
  public var schedule: [String: Double]
  /// Power-of-two exponent of each gradient's integer sum, by parameter.
  public var gradientScales: [String: Int]
  public var objective: String
  /// Digest of the part of the configuration that may not change.
  public var experimentHash: String
  /// Digest of tokeniser and shards; empty where it is not known.
  public var dataHash: String
  public var bestValidationLoss: Double?
  public var bestStep: Int?
  /// What the bits depend on besides configuration and data, by name; nil in checkpoints that were written without it.
  public var arithmetic: [String: String]?
  /// Where the run resumed with a different numerical environment, as allowed; nil for nowhere.
  public var arithmeticBreaks: [ArithmeticBreak]?
  /// Which samples were trained on; nil in checkpoints of before there was a ledger.
  public var account: SampleAccount?
  /// Steps that had no target and changed nothing; nil for none.
  public var skippedSteps: Int?
  /// SHA-256 of the weights of each frozen network that was read from a folder, by its name; nil for none.
  public var frozenNetworks: [String: String]?

  public init(
    step: Int, streamPosition: UInt64, samplesSeen: Int, tokensSeen: Int, schedule: [String: Double] = [:],
    gradientScales: [String: Int] = [:], objective: String, experimentHash: String,
    dataHash: String = "", bestValidationLoss: Double? = nil, bestStep: Int? = nil,
    arithmetic: [String: String]? = nil, arithmeticBreaks: [ArithmeticBreak]? = nil, account: SampleAccount? = nil,
    skippedSteps: Int? = nil, frozenNetworks: [String: String]? = nil
  ) {
    self.formatVersion = Self.currentFormatVersion
    self.step = step
    self.streamPosition = streamPosition
    self.samplesSeen = samplesSeen
    self.tokensSeen = tokensSeen
    self.schedule = schedule
    self.gradientScales = gradientScales
    self.objective = objective
    self.experimentHash = experimentHash
    self.dataHash = dataHash
    self.bestValidationLoss = bestValidationLoss
    self.bestStep = bestStep
    self.arithmetic = arithmetic
    self.arithmeticBreaks = arithmeticBreaks
    self.account = account
    self.skippedSteps = skippedSteps
    self.frozenNetworks = frozenNetworks
  }
}

/// A step from which on a run was computed in a different numerical environment.
public struct ArithmeticBreak: Codable, Sendable, Equatable {
  /// Finished steps at the break.
  public var step: Int
  public var from: [String: String]
  public var to: [String: String]

  public init(step: Int, from: [String: String], to: [String: String]) {
    (self.step, self.from, self.to) = (step, from, to)
  }
}

extension TrainingState {
  /// The first value that no run can have; a right digest only shows that nothing changed since someone wrote it.
  fileprivate var problem: String? {
    func outside(_ name: String, _ value: Int, _ range: ClosedRange<Int>) -> String? {
      range.contains(value) ? nil : "\(name) is \(value); it must lie in \(range.lowerBound)...\(range.upperBound)"
    }
    if let problem = outside("step", step, 0...RunFolder.largestStep) ?? outside(
      "samples_seen", samplesSeen, 0...Int.max)
      ?? outside("tokens_seen", tokensSeen, 0...Int.max) ?? outside(
        "best_step", bestStep ?? 0, 0...RunFolder.largestStep)
      ?? outside("skipped_steps", skippedSteps ?? 0, 0...max(step, 0))
    {
      return problem
    }
    if let (name, value) = schedule.first(where: { !(abs($0.value) < 1e15) }) {
      return "schedule.\(name) is \(value); it must be a number below 1e15"
    }
    // A float's own exponents end at -149 and 127; what a sum adds to them is far below a thousand.
    return gradientScales.lazy.compactMap { outside("gradient_scales.\($0.key)", $0.value, -1000...1000) }.first
  }

  /// The state as bytes, for another process; the same for the same values.
  public func encoded() throws(CheckpointError) -> [UInt8] { try StateDocument(files: [:], training: self).encoded() }

  /// Reads what `encoded` gave. - Throws: `CheckpointError` when a byte has changed.
  public init(decoding bytes: [UInt8]) throws(CheckpointError) {
    self = try StateDocument(decoding: bytes, path: "the training state").training
  }
}

/// `state.json`: the training state and a record of every other file, closed by a digest of itself.
///
/// The file is one JSON object whose last member, `sha256`, is the digest of every byte before it, so that
/// a change anywhere in the file is seen.
struct StateDocument: Codable, Equatable {
  var files: [String: FileRecord]
  var training: TrainingState

  private static let checksumKey = ",\n\"sha256\":\""
  private static let close = "\"}\n"

  /// The same bytes for the same values: keys sorted, numbers in their shortest exact spelling.
  func encoded() throws(CheckpointError) -> [UInt8] {
    let body: Data
    do { body = try JSONEncoder.snakeCase().encode(self) } catch {
      throw CheckpointError("encode", "state.json", "\(error)", exitCode: .failed)
    }
    let open = Array(body.dropLast())
    return open + Array((Self.checksumKey + SHA256.of(open) + Self.close).utf8)
  }

  /// Bytes of the largest `state.json` there may be: a thousand layers have some 16,000 exponents of less than 100
  /// bytes each.
  static let mostBytes = 4 << 20

  /// - Throws: `CheckpointError` when a byte has changed since it was written, or another version wrote it.
  init(decoding bytes: [UInt8], path: String) throws(CheckpointError) {
    let tail = Self.checksumKey.utf8.count + 64 + Self.close.utf8.count
    let open = Array(bytes.dropLast(tail))
    let isIntact =
      bytes.count > tail && bytes.suffix(tail).elementsEqual((Self.checksumKey + SHA256.of(open) + Self.close).utf8)
    try Self.refuseOtherVersion(bytes, isIntact: isIntact, path)
    guard isIntact else { throw CheckpointError("read", path, "its digest does not match its content") }
    do { self = try JSONDecoder.snakeCase().decode(Self.self, from: Data(open + Array("}".utf8))) } catch {
      throw CheckpointError("read", path, "it is not a training state: \(decodingProblem(error))")
    }
    if let problem = training.problem { throw CheckpointError("read", path, "its \(problem)") }
  }

  init(files: [String: FileRecord], training: TrainingState) {
    self.files = files
    self.training = training
  }

  /// Every format has its version in one of two places, but perhaps another digest.
  private static func refuseOtherVersion(_ bytes: [UInt8], isIntact: Bool, _ path: String) throws(CheckpointError) {
    let training = (try? JSONValue.parse(bytes))?["training"]
    guard let version = (training?["format_version"] ?? training?["formatVersion"])?.integer,
      version != TrainingState.currentFormatVersion
    else { return }
    let digest =
      isIntact || version < TrainingState.currentFormatVersion ? "" : "; this program does not know its digest"
    throw CheckpointError(
      "read", path,
      "it has format version \(version), and this program reads version \(TrainingState.currentFormatVersion)\(digest)",
      remedy:
        "Use the version of Lockstep that wrote it, or start a new run; what lockstep export of that version writes can be its init.from.",
      isOtherVersion: true)
  }
}
