import Core
import Data
import Storage

/// The files of a preparation: of training, then of validation, each in the order of its inputs.
struct NumberSources {
  /// Files of records; `validationStart` is the first one of validation.
  let files: [NumberFile]
  let validationStart: Int
  let format: NumberFormat
  private let labels: [NumberFile]
  private let validationLabels: [NumberFile]

  /// - Throws: `DataError` or `FileError` for an input that is missing, unreadable or holds no file of the format.
  init(_ inputs: [String], _ format: NumberFormat, _ options: NumberOptions) throws {
    let exclude = try options.exclude.map { try ExcludePattern($0) }
    let training = try NumberSearch(inputs, format, exclude: exclude).files
    let validation = try NumberSearch(options.validationInputs, format, exclude: exclude).files
    (files, validationStart, self.format) = (training + validation, training.count, format)
    labels = try options.labels.map { try NumberFile(SystemPath($0), path: $0, name: lastName($0)) }
    validationLabels = try options.validationLabels.map { try NumberFile(SystemPath($0), path: $0, name: lastName($0)) }
  }

  private var companions: [NumberFile] {
    labels + validationLabels + files.flatMap { format.reader.companions(of: $0) }
  }

  /// Stored bytes of all records.
  var bytes: Int { files.reduce(0) { $0 + $1.bytes } }

  /// What the manifest says of each file; labels come last.
  func hashed(_ meter: ProgressMeter, threads: Int) throws -> [CorpusManifest.Source] {
    meter.begin(.hashing)
    var (result, done) = ([CorpusManifest.Source](), 0)
    var left = (files + companions)[...]
    try orderedWork(
      threads: threads, next: { left.popFirst() },
      transform: { CorpusManifest.Source(name: $0.name, bytes: $0.bytes, sha256: try $0.sha256()) },
      waiting: meter.wait
    ) { source in
      result.append(source)
      done = min(done + source.bytes, bytes)
      try meter.advance(to: done)
      return true
    }
    try meter.end()
    return result
  }

  /// Reads all records. - Returns: sentences for the user.
  func stage(_ staged: StagedRecords, _ options: NumberOptions, _ meter: ProgressMeter) throws -> [String] {
    meter.begin(.reading)
    var notes: [String] = []
    if format.isRecordPerFile {
      try stageFiles(staged, options, meter)
    } else {
      notes += try stageStreams(0..<validationStart, labels, staged, options, meter)
      notes += try stageStreams(validationStart..<files.count, validationLabels, staged, options, meter)
    }
    try meter.end()
    return Array(notes.prefix(Self.mostNotes))
  }

  /// Files of few records each, several at once.
  private func stageFiles(_ staged: StagedRecords, _ options: NumberOptions, _ meter: ProgressMeter) throws {
    var (next, done) = (0, 0)
    try orderedWork(
      threads: options.threads,
      next: {
        defer { next += 1 }
        return next < files.count ? next : nil
      },
      transform: { index in
        let reader = try format.reader.init(files[index], options.reader)
        var records: [NumericRecord] = []
        while let record = try reader.next() { records.append(try named(record, files[index], options.reader)) }
        return (index, records)
      }, weight: { files[$0].bytes * 4 }, waiting: meter.wait
    ) { index, records in
      for record in records { try staged.append(record, file: index, isValidation: index >= validationStart) }
      meter.documents += records.count
      done += files[index].bytes
      try meter.advance(to: done)
      return true
    }
  }

  /// Sentences that are shown of many files.
  private static let mostNotes = 5

  /// Files of many records, one after the other. - Returns: sentences for the user.
  private func stageStreams(
    _ range: Range<Int>, _ labels: [NumberFile], _ staged: StagedRecords, _ options: NumberOptions,
    _ meter: ProgressMeter
  ) throws -> [String] {
    var notes: [String] = []
    let labelled = try labels.map { try LabelFile($0) }
    let all = labelled.flatMap(\.labels)
    var taken = 0
    for index in range {
      let reader = try format.reader.init(files[index], options.reader)
      let before = files[..<index].reduce(0) { $0 + $1.bytes }
      while var record = try reader.next() {
        if !labelled.isEmpty {
          guard taken < all.count else { throw Self.wrongCount(labelled, all.count, files[index].path) }
          record.fields["label"] = .id(all[taken])
        }
        taken += 1
        try staged.append(record, file: index, isValidation: index >= validationStart)
        meter.documents += 1
        try meter.advance(to: before + reader.storedBytes)
      }
      if let note = reader.note { notes.append(note) }
      try meter.advance(to: before + files[index].bytes)
    }
    if !labelled.isEmpty, taken != all.count {
      throw Self.wrongCount(labelled, all.count, "\(files[range].map(\.path).joined(separator: ", ")) with \(taken)")
    }
    return notes
  }

  private static func wrongCount(_ labels: [LabelFile], _ count: Int, _ records: String) -> DataError {
    DataError(
      labels.map(\.path).joined(separator: ", "),
      "has \(counted(count, "label")), which is not the number of records in \(records).",
      remedy: "Name the labels of these very records, in the order of the inputs.")
  }

  /// A record with what the names of its file say.
  private func named(_ record: NumericRecord, _ file: NumberFile, _ options: NumberReaderOptions) throws
    -> NumericRecord
  {
    var record = record
    // Images lie in a folder per class.
    if let rule = options.labelFrom {
      record.fields["label"] = .name(try rule.value(file.name))
    } else if format == .images, file.name.contains("/") {
      record.fields["label"] = .name(String(file.name.split(separator: "/")[0]))
    }
    if let rule = options.groupFrom { record.fields["group"] = .name(try rule.value(file.name)) }
    return record
  }
}

/// The last part of a path.
func lastName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
