import Foundation

/// Where a run stands, in the numbers a person wants to see.
public struct ProgressSnapshot: Sendable, Equatable {
  public var step: Int
  public var totalSteps: Int
  public var loss: Double
  public var validationLoss: Double?
  public var learningRate: Double
  public var tokensPerSecond: Double
  public var mfu: Double?
  /// Of this start of the run.
  public var elapsedSeconds: Double
  /// Nil until the first step is done.
  public var remainingSeconds: Double?

  public init(
    step: Int, totalSteps: Int, loss: Double, validationLoss: Double? = nil, learningRate: Double, tokensPerSecond: Double,
    mfu: Double? = nil, elapsedSeconds: Double, remainingSeconds: Double? = nil
  ) {
    self.step = step
    self.totalSteps = totalSteps
    self.loss = loss
    self.validationLoss = validationLoss
    self.learningRate = learningRate
    self.tokensPerSecond = tokensPerSecond
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
  ///   - validationLoss: the latest one, which may be older than the record.
  public init(_ record: StepRecord, totalSteps: Int, startStep: Int, elapsedSeconds: Double, validationLoss: Double? = nil) {
    let done = record.step - startStep
    self.init(
      step: record.step, totalSteps: totalSteps, loss: record.loss, validationLoss: record.validationLoss ?? validationLoss,
      learningRate: record.learningRate, tokensPerSecond: record.tokensPerSecond, mfu: record.mfu, elapsedSeconds: elapsedSeconds,
      remainingSeconds: done > 0 ? elapsedSeconds / Double(done) * Double(max(0, totalSteps - record.step)) : nil)
  }
}

/// Numbers and durations as text. Pure functions.
public enum ProgressText {
  /// `step 120/1000 12 %  loss 3.2145  val 3.3001  lr 3.00e-04  12.3k tok/s  MFU 41 %  1 min 20 s, 9 min 47 s left`
  public static func line(_ at: ProgressSnapshot) -> String {
    var parts = ["step \(at.step)/\(at.totalSteps) \(percent(at.step, of: at.totalSteps))", "loss \(fixed(at.loss, 4))"]
    if let validation = at.validationLoss { parts.append("val \(fixed(validation, 4))") }
    parts += ["lr \(scientific(at.learningRate))", "\(rate(at.tokensPerSecond)) tok/s"]
    if let mfu = at.mfu { parts.append("MFU \(fixed(mfu * 100, mfu < 0.1 ? 1 : 0)) %") }
    parts.append(duration(at.elapsedSeconds) + (at.remainingSeconds.map { ", \(duration($0)) left" } ?? ""))
    return parts.joined(separator: "  ")
  }

  /// The line with a bar before it, cut to `width` columns.
  public static func bar(_ at: ProgressSnapshot, width: Int) -> String {
    let cells = 20
    let filled = at.totalSteps > 0 ? min(cells, max(0, at.step * cells / at.totalSteps)) : 0
    let bar = "[" + String(repeating: "#", count: filled) + String(repeating: ".", count: cells - filled) + "] "
    return String((bar + line(at)).prefix(max(width, 1)))
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
