import Core
import Data
import Foundation

/// What decides a corpus of numbers beside its inputs, and how fast it is made.
public struct NumberOptions: Sendable {
  /// Nil: by the endings of the inputs.
  public var format: NumberFormat?
  /// Files with one label per record, in the order of the inputs.
  public var labels: [String] = []
  /// Inputs for validation, such as an official test set.
  public var validationInputs: [String] = []
  /// As `labels`, for `validationInputs`.
  public var validationLabels: [String] = []
  /// How records are divided between training and validation.
  public var split = NumberSplit.automatic(fraction: 0.1)
  /// What a position is called; nil for what is usual.
  public var unit: DataShape.Unit?
  /// What readers of the format are told.
  public var reader = NumberReaderOptions()
  /// A shard is closed before the record that would take its numbers over so many bytes.
  public var shardBytes = 256 << 20
  /// Threads that decode files of one record; the shards do not depend on it.
  public var threads = ProcessInfo.processInfo.activeProcessorCount
  /// Replace a corpus that was made from other inputs or options.
  public var force = false
  /// Patterns of files and folders that are left out of folders.
  public var exclude: [String] = []

  /// The defaults, with one decoding thread per processor.
  public init() {}

  /// All rules these options break, for a format.
  func problems(_ format: NumberFormat) -> [ConfigurationError.Problem] {
    var problems: [ConfigurationError.Problem] = []
    func note(_ key: String, _ sentence: String) { problems.append(.init(key: key, sentence: sentence)) }
    if !(0..<1).contains(split.fraction) {
      note("validation fraction", "is \(split.fraction); it must be at least 0 and below 1.")
    }
    if shardBytes < 1 { note("shard bytes", "is \(shardBytes); it must be at least 1.") }
    if !(1...1024).contains(threads) { note("threads", "is \(threads); it must lie in 1...1024.") }
    let isTable = format == .series
    if !isTable, reader.time != nil || reader.group != nil || reader.label != nil || !reader.channels.isEmpty {
      note("--time, --group, --label and --channels", "are columns of a table; use them with --format series.")
    }
    if reader.labelFrom != nil || reader.groupFrom != nil, !format.isRecordPerFile {
      note("--label-from and --group-from", "name records by their files, and a file of \(format.rawValue) has many.")
    }
    if reader.mel != nil, format != .sound { note("--mel", "is for sound, and the format is \(format.rawValue).") }
    if let mel = reader.mel, !(1...1024).contains(mel.bands) || !(mel.frame > 0) || !(mel.hop > 0) {
      note(
        "--mel",
        "is \(mel.bands) bands of \(mel.frame) ms every \(mel.hop) ms; there are 1...1024, and times are above 0.")
    }
    if !labels.isEmpty || !validationLabels.isEmpty, ![.idx, .npy].contains(format) {
      note("--labels", "is for idx and npy; a file of \(format.rawValue) has its labels in itself.")
    }
    if !validationLabels.isEmpty, validationInputs.isEmpty {
      note("--validation-labels", "belongs to --validation-input, which is missing.")
    }
    if !labels.isEmpty, !validationInputs.isEmpty, validationLabels.isEmpty {
      note(
        "--validation-labels", "is missing: the training records have labels, and those of validation need them too.")
    }
    return problems
  }

  /// What decides the shards beside the sources, as text.
  func recipe(_ format: NumberFormat, _ unit: DataShape.Unit) -> String {
    "format \(format.rawValue)\nunit \(unit.rawValue)\nsplit \(split.recipe)\nshard bytes \(shardBytes)\n\(reader.recipe)\n"
  }
}
