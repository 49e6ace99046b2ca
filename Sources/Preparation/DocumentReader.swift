import Core
import Storage

/// Consecutive records of one file: the piece of work that goes to one thread.
struct DocumentBatch: Sendable {
  /// Place in the order of all batches, from 0.
  let index: Int
  /// Place of the file among the sources.
  let source: Int
  let format: RecordFormat
  /// The records' bytes.
  let text: [UInt8]
  let records: [Record]
  /// What the reader has found in the file so far.
  let findings: TextFindings
  /// Stored bytes of the sources that are done once this batch is.
  let sourceBytes: Int

  /// Calls `body` with each document of the batch.
  func forEachText(_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
    try text.withUnsafeBytes { text in
      for record in records { try format.withText(of: record, in: text, body) }
    }
  }

  /// What is odd about the lines of the records.
  func lineFindings() -> TextFindings {
    var findings = findings
    text.withUnsafeBufferPointer { text in
      for record in records { findings.add(UnsafeBufferPointer(rebasing: text[record.range]), firstLine: record.line) }
    }
    return findings
  }
}

/// Reads sources as batches of records. The batches are a function of the sources and the options alone,
/// never of the threads that will work on them. For one thread at a time.
package final class DocumentReader {
  private struct Open {
    let file: SequentialFile
    let format: RecordFormat
    var records: RecordReader
  }

  private let sources: [SourceFile]
  private let digests: [String]?
  private let choice: InputChoice
  private let batchBytes: Int
  private var nextSource = 0
  private var current: Open?
  private var batchCount = 0
  private var bytesOfFinishedSources = 0

  /// - Parameters:
  ///   - digests: SHA-256 of each source's stored bytes, compared with what was read at its end; nil to compare
  ///     nothing.
  ///   - batchBytes: records are collected until they have so many bytes.
  init(_ sources: [SourceFile], digests: [String]? = nil, choice: InputChoice, batchBytes: Int = 1 << 19) {
    (self.sources, self.digests, self.choice, self.batchBytes) = (sources, digests, choice, batchBytes)
  }

  func next() throws -> DocumentBatch? {
    while true {
      if current == nil {
        guard nextSource < sources.count else { return nil }
        current = try open(sources[nextSource])
        nextSource += 1
      }
      if let batch = try batchOfCurrent() { return batch }
      try finishCurrent()
    }
  }

  private func open(_ source: SourceFile) throws -> Open {
    let (text, file) = try source.open()
    let format = choice.format(ofFile: source.name)
    var records = try RecordReader(text, format: format, path: source.path, mostBytes: source.mostRecordBytes)
    return Open(file: file, format: try RecordFormat(source.path, format, &records), records: records)
  }

  private func finishCurrent() throws {
    let index = nextSource - 1
    if let file = current?.file, let expected = digests?[index] {
      let source = sources[index]
      guard file.offset == source.bytes else {
        throw source.changed("has \(file.offset) bytes where it had \(source.bytes)")
      }
      guard file.finishDigest() == expected else { throw source.changed("holds other bytes than at first") }
    }
    bytesOfFinishedSources += sources[index].bytes
    current = nil
  }

  private func batchOfCurrent() throws -> DocumentBatch? {
    var (records, text) = ([Record](), [UInt8]())
    while text.count < batchBytes, records.count < batchBytes, let record = try current?.records.next(into: &text) {
      records.append(record)
    }
    guard let current, !records.isEmpty else { return nil }
    defer { batchCount += 1 }
    let index = nextSource - 1
    let findings = TextFindings(
      carriageReturns: current.records.carriageReturns, unusedHeader: current.format.unusedHeader,
      convertedFrom: sources[index].encoding.name)
    return DocumentBatch(
      index: batchCount, source: index, format: current.format, text: text, records: records, findings: findings,
      sourceBytes: bytesOfFinishedSources + current.file.offset)
  }
}

extension DocumentReader {
  /// Calls `body` with every document of one file, as a preparation would read it.
  /// - Returns: sentences about what is odd in the file: another encoding, other line ends.
  @discardableResult
  package static func forEachDocument(
    ofFile path: String, choice: InputChoice, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws -> [String] {
    let reader = DocumentReader([try SourceSearch.file(path)], choice: choice)
    var findings = TextFindings()
    while let batch = try reader.next() {
      findings.add(batch.lineFindings())
      try batch.forEachText(body)
    }
    return findings.sentences(path)
  }
}
