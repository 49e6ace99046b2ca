import Storage

/// A value with a name, where the order of the names matters.
public struct Named<Value: Sendable & Equatable>: Sendable, Equatable {
  public var name: String
  public var value: Value

  public init(_ name: String, _ value: Value) {
    self.name = name
    self.value = value
  }
}

/// What one logged step was like. One line of `metrics.jsonl`.
///
/// Losses, counts, the norm and the learning rate are functions of configuration and data alone, and are
/// written with the shortest decimals that read back as the same double; times are this machine's.
public struct StepRecord: Sendable, Equatable {
  /// Finished optimiser steps, from 1.
  public var step: Int
  /// Passes over the data so far.
  public var epoch: Double
  /// Tokens seen so far.
  public var tokens: Int
  /// Mean loss of each term over its own targets, in the objective's order.
  public var losses: [Named<Double>]
  /// The weighted sum that was minimised.
  public var loss: Double
  public var validationLoss: Double?
  /// Samples that the validation loss is over; nil where none was measured, and in older logs.
  public var validationSamples: Int?
  public var learningRate: Double
  /// Before clipping.
  public var gradNorm: Double
  /// Of the loss sums of all micro-batches, bit for bit: what replay compares first. Empty in older logs.
  public var lossDigest: String
  /// Σ w of each term over the whole batch: what its loss sum is divided by, which need not be whole.
  public var targetCounts: [Named<Double>]
  /// How often the step was repeated because a gradient's integer sum overflowed.
  public var repeats: Int
  public var tokensPerS: Double
  /// Model flops utilisation, 0 ... 1; nil where the machine's peak is not known.
  public var mfu: Double?
  public var stepSeconds: Double
  /// Seconds in each phase of the step, in order.
  public var seconds: [Named<Double>]
  /// Mean over ranks of the seconds from the first sum over ranks that was started to the last one that was complete.
  public var communicationSeconds: Double
  /// Mean over ranks of the part of it in which nothing was computed.
  public var exposedCommunicationSeconds: Double
  /// Mean over ranks of the seconds of waiting for the samples of the step.
  public var dataWaitSeconds: Double
  /// Seconds since 1970.
  public var wallTime: Double
  /// No position of the batch had a target, and nothing was updated; losses are NaN.
  public var isSkipped: Bool

  public init(
    step: Int, epoch: Double, tokens: Int, losses: [Named<Double>], loss: Double, validationLoss: Double? = nil,
    validationSamples: Int? = nil, learningRate: Double, gradNorm: Double, lossDigest: String = "",
    targetCounts: [Named<Double>] = [],
    repeats: Int = 0, tokensPerS: Double = 0, mfu: Double? = nil, stepSeconds: Double = 0,
    seconds: [Named<Double>] = [],
    communicationSeconds: Double = 0, exposedCommunicationSeconds: Double = 0, dataWaitSeconds: Double = 0,
    wallTime: Double = 0, isSkipped: Bool = false
  ) {
    self.step = step
    self.epoch = epoch
    self.tokens = tokens
    self.losses = losses
    self.loss = loss
    self.validationLoss = validationLoss
    self.validationSamples = validationSamples
    self.learningRate = learningRate
    self.gradNorm = gradNorm
    self.lossDigest = lossDigest
    self.targetCounts = targetCounts
    self.repeats = repeats
    self.tokensPerS = tokensPerS
    self.mfu = mfu
    self.stepSeconds = stepSeconds
    self.seconds = seconds
    self.communicationSeconds = communicationSeconds
    self.exposedCommunicationSeconds = exposedCommunicationSeconds
    self.dataWaitSeconds = dataWaitSeconds
    self.wallTime = wallTime
    self.isSkipped = isSkipped
  }
}

// MARK: - JSON

extension StepRecord {
  /// The record as one object; a number that is not finite becomes a text, such as "NaN".
  public var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("step", .integer(step)), .init("epoch", .lossless(epoch)), .init("tokens", .integer(tokens)),
      .init("loss", .lossless(loss)), .init("losses", .object(losses.map { .init($0.name, .lossless($0.value)) })),
    ]
    if let validationLoss { members.append(.init("validation_loss", .lossless(validationLoss))) }
    if let validationSamples { members.append(.init("validation_samples", .integer(validationSamples))) }
    members += [
      .init("learning_rate", .lossless(learningRate)), .init("grad_norm", .lossless(gradNorm)),
    ]
    if !lossDigest.isEmpty { members.append(.init("loss_digest", .string(lossDigest))) }
    members += [
      .init("target_counts", .object(targetCounts.map { .init($0.name, Self.count($0.value)) })),
      .init("repeats", .integer(repeats)), .init("tokens_per_s", .lossless(tokensPerS)),
    ]
    if let mfu { members.append(.init("mfu", .lossless(mfu))) }
    members += [
      .init("step_seconds", .lossless(stepSeconds)),
      .init("seconds", .object(seconds.map { .init($0.name, .lossless($0.value)) })),
      .init("communication_seconds", .lossless(communicationSeconds)),
      .init("exposed_communication_seconds", .lossless(exposedCommunicationSeconds)),
      .init("data_wait_seconds", .lossless(dataWaitSeconds)),
      .init("wall_time", .lossless(wallTime)),
    ]
    if isSkipped { members.append(.init("skipped", .bool(true))) }
    return .object(members)
  }

  /// Reads a record back; nil when the step or the loss is not there, or the step is none. Unknown members are passed
  /// over, so that logs of later versions can be read.
  public init?(json: JSONValue) {
    guard let step = json["step"]?.integer, (0...1 << 50).contains(step), let loss = json["loss"] else { return nil }
    let number: (String) -> Double = { json[$0].map(Self.double) ?? 0 }
    let named: (String) -> [JSONValue.Member] = { json[$0]?.members ?? [] }
    self.init(
      step: step, epoch: number("epoch"), tokens: json["tokens"]?.integer ?? 0,
      losses: named("losses").map { Named($0.name, Self.double($0.value)) }, loss: Self.double(loss),
      validationLoss: json["validation_loss"].map(Self.double), validationSamples: json["validation_samples"]?.integer,
      learningRate: number("learning_rate"),
      gradNorm: number("grad_norm"), lossDigest: json["loss_digest"]?.string ?? "",
      targetCounts: named("target_counts").map { Named($0.name, Self.double($0.value)) },
      repeats: json["repeats"]?.integer ?? 0, tokensPerS: number("tokens_per_s"), mfu: json["mfu"].map(Self.double),
      stepSeconds: number("step_seconds"), seconds: named("seconds").map { Named($0.name, Self.double($0.value)) },
      communicationSeconds: number("communication_seconds"),
      exposedCommunicationSeconds: number("exposed_communication_seconds"),
      dataWaitSeconds: number("data_wait_seconds"), wallTime: number("wall_time"),
      isSkipped: json["skipped"]?.bool ?? false)
  }

  /// What a line of a log is, without reading more of it than its syntax.
  struct Outline {
    let step: Int
    let isValidated: Bool

    /// Nil where `init(json:)` would give nil, but for names that occur twice.
    init?(of line: UnsafeRawBufferPointer) {
      var (step, hasLoss, isValidated): (Int?, Bool, Bool) = (nil, false, false)
      let isObject = JSONValue.scan(line) { name, value in
        if name.elementsEqual("step".utf8) { step = JSONValue.integer(spelt: value) }
        if name.elementsEqual("loss".utf8) { hasLoss = true }
        if name.elementsEqual("validation_loss".utf8) { isValidated = true }
      }
      guard isObject, hasLoss, let step, (0...1 << 50).contains(step) else { return nil }
      (self.step, self.isValidated) = (step, isValidated)
    }
  }

  /// In older logs a null stands for every number that was not finite.
  private static func double(_ value: JSONValue) -> Double { value.losslessDouble ?? .nan }

  /// A whole count as such, any other with the shortest decimals that read back as the same double.
  private static func count(_ value: Double) -> JSONValue {
    Int(exactly: value).map(JSONValue.integer) ?? .lossless(value)
  }
}
