/// How often a step reads each of its texts, and where the copies stand in the batch. Part of the mathematics: it
/// follows from the configuration, never from ranks.
public struct SampleRepetition: Sendable, Equatable {
  public enum Layout: Sendable {
    /// The copies of a text are neighbouring samples of the batch.
    case rows
    /// Micro-batch m of the step has the texts of micro-batches K·⌊m / K⌋ … all over again.
    case microBatches
  }

  /// K.
  public let times: Int
  public let layout: Layout
  /// The configuration key that K comes from, for errors.
  public let key: String

  /// Every sample once.
  public static let none = SampleRepetition(times: 1, layout: .rows, key: "")

  public init(times: Int, layout: Layout, key: String) {
    precondition(times >= 1, "a text that is read \(times) times")
    (self.times, self.layout, self.key) = (times, layout, key)
  }

  /// What is wrong with a batch for it: copies of a text must not lie in two steps. nil where nothing is.
  public func problem(batch: Int, microBatch: Int) -> ConfigurationError.Problem? {
    let unit = layout == .rows ? times : times * microBatch
    guard times > 1, batch > 0, microBatch > 0, batch % unit != 0 else { return nil }
    let (below, above) = (batch / unit * unit, (batch / unit + 1) * unit)
    let what =
      layout == .rows ? "\(key) = \(times)" : "\(key) = \(times) micro-batches of batch.micro_batch = \(microBatch)"
    return .init(
      key: "batch.samples",
      sentence:
        "is \(batch); every text is read \(times) times per step, so it must be a multiple of \(unit) (\(what)), such as \(below > 0 ? below : above)."
    )
  }
}

/// Which text each position of the stream reads, under a repetition and a batch.
public struct RepeatedStream: Sendable, Equatable {
  public let repetition: SampleRepetition
  public let batch: Int
  public let microBatch: Int

  /// - Precondition: `repetition.problem(batch:microBatch:)` is nil.
  public init(_ repetition: SampleRepetition, batch: Int, microBatch: Int) {
    precondition(
      repetition.problem(batch: batch, microBatch: microBatch) == nil,
      "a batch of \(batch) cannot repeat texts \(repetition.times) times")
    (self.repetition, self.batch, self.microBatch) = (repetition, batch, microBatch)
  }

  /// Texts per step.
  public var textsPerStep: Int { batch / repetition.times }

  /// The place of the text in the stream of texts, and which of its copies this is: 0 ..< times.
  public func text(at position: UInt64) -> (place: UInt64, copy: Int) {
    let times = repetition.times
    let (step, i) = position.quotientAndRemainder(dividingBy: UInt64(batch))
    let first = step * UInt64(textsPerStep)
    switch repetition.layout {
    case .rows: return (first + i / UInt64(times), Int(i) % times)
    case .microBatches:
      let (number, j) = Int(i).quotientAndRemainder(dividingBy: microBatch)
      return (first + UInt64(number / times * microBatch + j), number % times)
    }
  }
}
