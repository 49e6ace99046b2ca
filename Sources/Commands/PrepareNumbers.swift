import ArgumentParser
import Core
import Data
import Foundation
import Preparation
import Storage

/// The options of `lockstep prepare` that are for numbers alone.
struct NumberArguments: ParsableArguments {
  @Option(
    parsing: .unconditionalSingleValue,
    help: "Of numbers: an official test set, in the format of --input; may be repeated.")
  var validationInput: [String] = []
  @Option(
    parsing: .unconditionalSingleValue,
    help: "A file with one label per record (IDX or .npy), in the order of the inputs; may be repeated.")
  var labels: [String] = []
  @Option(parsing: .unconditionalSingleValue, help: "The same for --validation-input.")
  var validationLabels: [String] = []
  @Option(
    parsing: .unconditional,
    help: "Keeps all records with one value of a field on one side: label, group, or file for all of one file.")
  var splitBy: String?
  @Option(
    parsing: .unconditional,
    help: "Of .npy: the axis of the channels behind that of the records: first, last, or none for one channel.")
  var channelAxis: NumberReaderOptions.ChannelAxis?
  @Option(
    parsing: .unconditional,
    help: "Of a table: the column with times. Rows are put on a regular grid, and gaps become unobserved.")
  var time: String?
  @Option(parsing: .unconditional, help: "Of a table: the column that names the series a row belongs to.")
  var group: String?
  @Option(parsing: .unconditional, help: "Of a table: the column with the class of a series.")
  var label: String?
  @Option(parsing: .unconditional, help: "Of a table: the columns with numbers, with commas; by default all others.")
  var channels: String?
  @Option(parsing: .unconditional, help: "Of sound: bands of a log-mel spectrogram instead of samples.")
  var mel: Int?
  @Option(parsing: .unconditional, help: "Milliseconds of a frame of --mel; by default 25.") var frame: Double?
  @Option(parsing: .unconditional, help: "Milliseconds from one frame of --mel to the next; by default 10.")
  var hop: Double?
  @Option(
    parsing: .unconditional,
    help: "Of images and recordings: the label by the file's name, an expression such as '^([0-9])_', or folder.")
  var labelFrom: String?
  @Option(parsing: .unconditional, help: "The same for the field group, such as the speaker.")
  var groupFrom: String?
  @Option(parsing: .unconditional, help: "Of numbers: bytes per shard; by default 256 MiB.") var shardBytes: Int?

  /// The first of these options that was given; nil for none.
  var firstGiven: String? {
    let given: [(String, Bool)] = [
      ("--validation-input", !validationInput.isEmpty), ("--labels", !labels.isEmpty),
      ("--validation-labels", !validationLabels.isEmpty), ("--split-by", splitBy != nil),
      ("--channel-axis", channelAxis != nil), ("--time", time != nil), ("--group", group != nil),
      ("--label", label != nil), ("--channels", channels != nil), ("--mel", mel != nil), ("--frame", frame != nil),
      ("--hop", hop != nil), ("--label-from", labelFrom != nil), ("--group-from", groupFrom != nil),
      ("--shard-bytes", shardBytes != nil),
    ]
    return given.first { $0.1 }?.0
  }

  /// What readers are told. - Throws: `ConfigurationError` for a value that cannot be used.
  func readerOptions(separator: String?) throws(ConfigurationError) -> NumberReaderOptions {
    var options = NumberReaderOptions()
    options.channelAxis = channelAxis ?? .first
    (options.time, options.group, options.label) = (time, group, label)
    options.channels = channels?.split(separator: ",").map(String.init) ?? []
    if let separator {
      guard let separator = TableSeparator(option: separator) else {
        throw ConfigurationError("--separator", is: "\"\(separator)\"", rule: "it must be \(TableSeparator.choices).")
      }
      options.separator = separator
    }
    if let mel {
      options.mel = .init(bands: mel, frame: frame ?? 25, hop: hop ?? 10)
    } else if frame != nil || hop != nil {
      throw ConfigurationError("--frame and --hop", "are of log-mel spectrograms; give --mel as well.")
    }
    if let labelFrom { options.labelFrom = try NameRule(labelFrom, option: "--label-from") }
    if let groupFrom { options.groupFrom = try NameRule(groupFrom, option: "--group-from") }
    return options
  }
}

extension NumberReaderOptions.ChannelAxis: ExpressibleByArgument {}

extension Prepare {
  /// The format of numbers that the inputs have; nil where they are text.
  func numberFormat() -> NumberFormat? {
    if let named = NumberFormat(rawValue: format.rawValue) { return named }
    let isTable = numbers.time != nil || numbers.channels != nil || numbers.group != nil
    if isTable, format == .auto || format == .csv { return .series }
    // A tokeniser says that the inputs are text, whatever their endings.
    let isText = vocabulary != nil || tokenizer != nil || words || addTokens || field != nil || !column.isEmpty
    guard format == .auto, !isText, let first = input.first else { return nil }
    return NumberFormat(ofInput: first)
  }

  /// Makes a corpus of numbers from files of a format.
  func prepareNumbers(_ named: NumberFormat) throws {
    guard vocabulary == nil, tokenizer == nil, !words, !addTokens else {
      throw ConfigurationError(
        "--vocabulary, --tokenizer, --words and --add-tokens", "are for text, and this is \(named.rawValue).")
    }
    var options = NumberOptions()
    // Where the endings said it, all inputs must say the same.
    options.format = format == .auto && named != .series ? nil : named
    (options.labels, options.validationLabels) = (numbers.labels, numbers.validationLabels)
    (options.validationInputs, options.split) = (numbers.validationInput, try numberSplit())
    (options.unit, options.threads, options.force, options.exclude) = (unit, threads, force, exclude)
    options.reader = try numbers.readerOptions(separator: separator)
    if let bytes = numbers.shardBytes { options.shardBytes = bytes }
    let preparation = NumberPreparation(inputs: input, target: output, options: options)
    try show { try preparation.run(progress: $0) }
  }

  /// Runs a preparation with its progress, then prints its notes and what the corpus holds.
  func show(_ run: ((PreparationProgress) throws -> Void) throws -> PreparationOutcome) throws {
    let meter = PreparationMeter()
    Interruption.watch()
    let outcome: PreparationOutcome
    do {
      outcome = try run { progress in
        try Interruption.check()
        meter.show(progress)
      }
    } catch {
      Interruption.endIfReceived()
      throw error
    }
    meter.finish()
    if let vocabulary, outcome.manifest.vocabulary.size < vocabulary {
      StandardError.write(
        "the text gave \(outcome.manifest.vocabulary.size) ids, fewer than the \(vocabulary) requested\n")
    }
    for note in outcome.notes { StandardError.write("\(note)\n") }
    for line in try CorpusInspection(output, verify: false).lines.dropLast() { try StandardOutput.line(line) }
  }

  private func numberSplit() throws(ConfigurationError) -> NumberSplit {
    let share = validationFraction ?? validationTail
    if !numbers.validationInput.isEmpty {
      guard share == nil, numbers.splitBy == nil else {
        throw ConfigurationError(
          "--validation-input", "says what validation is; leave out the options that split the input.")
      }
      return .files
    }
    guard validationFraction == nil || validationTail == nil else {
      throw ConfigurationError("--validation-tail", "and --validation-fraction are two ways to split; give one.")
    }
    if let field = numbers.splitBy {
      guard validationTail == nil else {
        throw ConfigurationError("--split-by", "has its share from --validation-fraction; leave out --validation-tail.")
      }
      return .byField(field, fraction: validationFraction ?? 0.1)
    }
    if let validationTail { return .tail(fraction: validationTail) }
    return validationFraction.map { .byContent(fraction: $0) } ?? .automatic(fraction: 0.1)
  }
}
