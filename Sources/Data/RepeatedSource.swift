import Core

/// A source whose texts are read several times per step: position p shows the text that the stream names, as another
/// visit of it.
///
/// An epoch has every text as often as a step has it.
public struct RepeatedSource: SampleSource {
  public let source: any SampleSource
  public let stream: RepeatedStream

  public init(_ source: any SampleSource, _ stream: RepeatedStream) { (self.source, self.stream) = (source, stream) }

  public var samplesPerEpoch: Int { source.samplesPerEpoch * stream.repetition.times }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let texts = positions.map(stream.text)
    guard let first = texts.map(\.place).min(), let last = texts.map(\.place).max() else {
      return try source.samples(at: positions)
    }
    // Copies of neighbouring texts stand near each other: the places between are few, and each is read once.
    var batch = try source.samples(at: first..<last + 1).taking(texts.map { Int($0.place - first) })
    batch.sampleIDs = Array(positions)
    for (row, text) in texts.enumerated() {
      batch.epochs[row] = batch.epochs[row] * UInt64(stream.repetition.times) + UInt64(text.copy)
    }
    return batch
  }
}
