import Metrics
import Training

/// A past step, computed again.
public struct ReplayReport: Codable, Sendable {
  public struct Sample: Codable, Sendable {
    /// Place in the stream.
    public var position: UInt64
    /// Sample of its epoch.
    public var index: UInt64
    /// Σ w and Σ w·ℓ of each term; nil for a term whose layer reports no single samples.
    public var counts: [Double?]
    public var losses: [Double?]
  }

  public struct MicroBatch: Codable, Sendable {
    public var index: Int
    /// Σ w·ℓ of each term.
    public var losses: [Double]
    /// Norm of what it adds to the gradient of the step, before clipping.
    public var gradNorm: Double
    public var samples: [Sample]
  }

  /// One number of the record, and the same computed again.
  public struct Check: Codable, Sendable, Equatable {
    public enum Against: String, Codable, Sendable {
      case log
      case checkpoint
      /// The step's own samples and micro-batches.
      case parts
    }
    public var step: Int
    public var against: Against
    public var what: String
    public var recorded: String
    public var computed: String
    public var matches: Bool
  }

  public var step: Int
  /// Finished steps of the checkpoint it was rebuilt from; 0 may be the beginning of the run.
  public var rebuiltFrom: Int
  public var terms: [String]
  public var termLosses: [Double]
  public var loss: Double
  public var gradNorm: Double
  public var learningRate: Double
  public var microBatches: [MicroBatch]
  public var checks: [Check]
  /// The nearest later step that was logged or saved; nil for none.
  public var nextRecorded: Int?
  /// In what this machine or build differs from the one that ran the step.
  public var arithmeticDifference: String?

  public var matches: Bool { checks.allSatisfy(\.matches) }
}

extension ReplayReport.Check {
  init(_ step: Int, _ against: Against, _ what: String, _ recorded: String, _ computed: String) {
    self.init(
      step: step, against: against, what: what, recorded: recorded, computed: computed, matches: recorded == computed)
  }

  /// The shortest decimals that read back as the same double: equal texts are equal bits.
  init(_ step: Int, _ what: String, _ recorded: Double, _ computed: Double) {
    self.init(step, .log, what, recorded.description, computed.description)
  }

  /// Everything of a logged step that is a function of configuration and data.
  static func all(_ record: StepRecord, _ outcome: StepOutcome) -> [Self] {
    var checks: [Self] = []
    // First the digest: it covers every micro-batch, and sums can agree by chance. Logs of before have none.
    if !record.lossDigest.isEmpty {
      checks.append(Self(record.step, .log, "loss_digest", record.lossDigest, outcome.lossDigest))
    }
    checks.append(Self(record.step, "loss", record.loss, outcome.loss))
    checks += zip(record.losses, outcome.termLosses).map { Self(record.step, "losses.\($0.name)", $0.value, $1) }
    checks += zip(record.targetCounts, outcome.counts).map { recorded, computed in
      // Logs of earlier versions have the nearest whole number.
      let written = recorded.value == recorded.value.rounded() ? computed.rounded() : computed
      return Self(
        record.step, "target_counts.\(recorded.name)", recorded.value, recorded.value == computed ? computed : written)
    }
    checks.append(Self(record.step, "grad_norm", record.gradNorm, outcome.gradNorm))
    checks.append(Self(record.step, "learning_rate", record.learningRate, outcome.learningRate))
    return checks
  }
}
