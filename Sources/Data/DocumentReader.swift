import Core
import Storage

/// Consecutive records of one file: the piece of work that goes to one thread.
struct DocumentBatch: Sendable {
  /// Place in the order of all batches, from 0.
  let index: Int
  let source: OpenSource
  let records: [Record]
  /// Stored bytes of the sources that are done once this batch is.
  let sourceBytes: Int

  /// Calls `body` with each document of the batch.
  func forEachText(_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
    for record in records { try source.withText(of: record, body) }
  }
}

/// Reads sources as batches of records. The batches are a function of the sources and the options alone,
/// never of the threads that will work on them. For one thread at a time.
package final class DocumentReader {
  private let sources: [SourceFile]
  private let choice: InputChoice
  private let scratch: String
  private let batchBytes: Int
  private var nextSource = 0
  private var current: (source: OpenSource, cutter: RecordCutter)?
  private var batchCount = 0
  private var bytesOfFinishedSources = 0

  /// - Parameters:
  ///   - scratch: path for inflated text; used by this reader alone.
  ///   - batchBytes: records are collected until they have so many bytes.
  init(_ sources: [SourceFile], choice: InputChoice, scratch: String, batchBytes: Int = 1 << 19) {
    (self.sources, self.choice, self.scratch, self.batchBytes) = (sources, choice, scratch, batchBytes)
  }

  func next() throws -> DocumentBatch? {
    while true {
      if current == nil {
        guard nextSource < sources.count else { return nil }
        let source = sources[nextSource]
        current = try OpenSource.open(source, format: choice.format(ofFile: source.name), scratch: scratch)
        nextSource += 1
      }
      if let batch = try batchOfCurrent() { return batch }
      bytesOfFinishedSources += sources[nextSource - 1].bytes
      current = nil
    }
  }

  private func batchOfCurrent() throws -> DocumentBatch? {
    var records: [Record] = []
    var bytes = 0
    while bytes < batchBytes, let record = try current?.cutter.next() {
      records.append(record)
      bytes += record.range.count + 1
    }
    guard let current, !records.isEmpty else { return nil }
    defer { batchCount += 1 }
    let share = Double(current.cutter.offset) / Double(current.source.text.count)
    let done = bytesOfFinishedSources + Int(share * Double(current.source.source.bytes))
    return DocumentBatch(index: batchCount, source: current.source, records: records, sourceBytes: done)
  }
}

extension DocumentReader {
  /// Calls `body` with every document of one file, as a preparation would read it.
  ///
  /// - Parameter scratch: path for inflated text.
  package static func forEachDocument(
    ofFile path: String, choice: InputChoice, scratch: String, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws {
    let source = SourceFile(path: path, name: path, bytes: try MappedFile(path).count)
    let reader = DocumentReader([source], choice: choice, scratch: scratch)
    while let batch = try reader.next() { try batch.forEachText(body) }
  }
}
