import Foundation

/// Where a run stands, in the numbers a person wants to see.
public struct ProgressSnapshot: Sendable, Equatable {
  public var step: Int
  public var totalSteps: Int
  public var loss: Double
  public var validationLoss: Double?
  /// The step after which the validation loss was measured, which may be an older one.
  public var validationStep: Int?
  public var learningRate: Double
  public var tokensPerS: Double
  /// What the rate counts, as `tok/s` says it.
  public var unit: String
  public var mfu: Double?
  /// Of this start of the run.
  public var elapsedSeconds: Double
  /// Nil until the first step is done.
  public var remainingSeconds: Double?

  public init(
    step: Int, totalSteps: Int, loss: Double, validationLoss: Double? = nil, validationStep: Int? = nil,
    learningRate: Double,
    tokensPerS: Double, unit: String = "tok", mfu: Double? = nil, elapsedSeconds: Double,
    remainingSeconds: Double? = nil
  ) {
    self.step = step
    self.totalSteps = totalSteps
    self.loss = loss
    self.validationLoss = validationLoss
    self.validationStep = validationStep
    self.learningRate = learningRate
    self.tokensPerS = tokensPerS
    self.unit = unit
    self.mfu = mfu
    self.elapsedSeconds = elapsedSeconds
    self.remainingSeconds = remainingSeconds
  }
}

extension ProgressSnapshot {
  /// The numbers of a step, with the time that is left if the rest goes on at the pace of this start so far.
  ///
  /// - Parameters:
  ///   - startStep: the step this start went on after; steps before it took no time of it.
  ///   - validation: the latest loss and its step, which may be older than the record.
  public init(
    _ record: StepRecord, totalSteps: Int, startStep: Int, elapsedSeconds: Double,
    validation: (loss: Double, step: Int)? = nil,
    unit: String = "tok"
  ) {
    let done = record.step - startStep
    let validation = record.validationLoss.map { ($0, record.step) } ?? validation
    self.init(
      step: record.step, totalSteps: totalSteps, loss: record.loss, validationLoss: validation?.loss,
      validationStep: validation?.step,
      learningRate: record.learningRate, tokensPerS: record.tokensPerS, unit: unit, mfu: record.mfu,
      elapsedSeconds: elapsedSeconds,
      remainingSeconds: done > 0 ? elapsedSeconds / Double(done) * Double(max(0, totalSteps - record.step)) : nil)
  }
}

/// Numbers and durations as text. Pure functions.
public enum ProgressText {
  /// `step 120/1000 12 %  9 min 47 s left  loss 3.2145  val 3.3001  lr 3.00e-04  12.3k tok/s  MFU 41 %  1 min 20 s`
  public static func line(_ at: ProgressSnapshot) -> String { fields(at).joined(separator: "  ") }

  /// What a line has, the most wanted first: a narrow terminal shows the beginning.
  private static func fields(_ at: ProgressSnapshot) -> [String] {
    let isOver = at.totalSteps > 0 && at.step >= at.totalSteps
    var parts = ["step \(at.step)/\(at.totalSteps) \(percent(at.step, of: at.totalSteps))"]
    if isOver {
      parts.append("took \(duration(at.elapsedSeconds))")
    } else if let left = at.remainingSeconds {
      parts.append("\(duration(left)) left")
    }
    parts.append("loss \(fixed(at.loss, 4))")
    if let validation = at.validationLoss {
      // A loss of an earlier step is not shown as if it were of this one.
      let place = at.validationStep.flatMap { $0 == at.step ? nil : "@\($0)" } ?? ""
      parts.append("val\(place) \(fixed(validation, 4))")
    }
    parts += ["lr \(scientific(at.learningRate))", "\(rate(at.tokensPerS)) \(at.unit)/s"]
    if let mfu = at.mfu { parts.append("MFU \(fixed(mfu * 100, mfu < 0.1 ? 1 : 0)) %") }
    if !isOver { parts.append(duration(at.elapsedSeconds)) }
    return parts
  }

  /// The line with a bar before it: as many of its fields as fit into `width` columns.
  public static func bar(_ at: ProgressSnapshot, width: Int) -> String {
    bar(at.step, of: at.totalSteps, fields(at), width: width)
  }

  static func bar(_ done: Int, of total: Int, _ fields: [String], width: Int) -> String {
    let cells = 10
    let filled = total > 0 ? min(cells, max(0, Int(Double(done) / Double(total) * Double(cells)))) : 0
    var line =
      "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: cells - filled) + "] "
      + (fields.first ?? "")
    for field in fields.dropFirst() {
      guard line.count + 2 + field.count <= width else { break }
      line += "  " + field
    }
    return String(line.prefix(max(width, 1)))
  }

  /// `0.4 s`, `42 s`, `5 min 03 s`, `1 h 02 min`, `3 d 04 h`.
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0 else { return "?" }
    if seconds < 9.95 { return fixed(seconds, 1) + " s" }
    guard seconds < 1e12 else { return "?" }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(twoDigits(whole % 60)) s" }
    let minutes = Int((seconds / 60).rounded())
    if minutes < 24 * 60 { return "\(minutes / 60) h \(twoDigits(minutes % 60)) min" }
    let hours = Int((seconds / 3600).rounded())
    return "\(hours / 24) d \(twoDigits(hours % 24)) h"
  }

  /// `950`, `12.3k`, `4.56M`.
  public static func rate(_ value: Double) -> String {
    guard value.isFinite else { return "?" }
    if value < 999.5 { return fixed(value, 0) }
    if value < 99_950 { return fixed(value / 1e3, 1) + "k" }
    if value < 999_500 { return fixed(value / 1e3, 0) + "k" }
    return fixed(value / 1e6, 2) + "M"
  }

  static func percent(_ part: Int, of whole: Int) -> String {
    whole > 0 ? "\(Int(Double(part) / Double(whole) * 100)) %" : "? %"
  }

  static func fixed(_ value: Double, _ digits: Int) -> String {
    value.isFinite ? String(format: "%.\(digits)f", value) : "\(value)"
  }

  static func scientific(_ value: Double) -> String { String(format: "%.2e", value) }

  private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
