import Core
import Foundation
import Storage

/// Writes the numbers of a run where TensorBoard finds them: `events.out.tfevents.<unix>.<host>`.
///
/// Every start begins a file of its own. After a resume its second event says so, and TensorBoard drops
/// what it had read beyond the resumed step.
///
/// Invariant: one thread at a time writes.
public final class EventWriter {
  public let path: String
  private let file: GrowingFile

  /// - Parameters:
  ///   - folder: the run folder.
  ///   - resumedStep: the step the run goes on after; 0 for a new run.
  public init(folder: String, host: String, wallTime: Double, resumedStep: Int) throws(FileError) {
    let seconds = String(Int(wallTime))
    let name = "events.out.tfevents." + String(repeating: "0", count: max(0, 10 - seconds.count)) + seconds + "." + host
    var preamble = EventMessage.framed(EventMessage.version(wallTime: wallTime))
    if resumedStep > 0 { preamble += EventMessage.framed(EventMessage.sessionStart(wallTime: wallTime, step: resumedStep + 1)) }
    path = try Self.free(folder + "/" + name)
    file = try GrowingFile(path, preamble: preamble)
  }

  /// A second start within one second gets the next free ending.
  private static func free(_ wanted: String) throws(FileError) -> String {
    for attempt in 0..<1000 {
      let path = attempt == 0 ? wanted : "\(wanted).\(attempt)"
      if access(path, F_OK) != 0 { return path }
    }
    throw FileError("create", wanted, reason: "a thousand files of this name are there")
  }

  /// Every number of a record that changes from step to step.
  public func append(_ record: StepRecord) throws(FileError) {
    try write(EventMessage.scalars(Self.scalars(of: record), wallTime: record.wallTime, step: record.step))
  }

  /// A text, such as the configuration, in Markdown.
  public func appendText(_ tag: String, markdown: String, wallTime: Double, step: Int = 0) throws(FileError) {
    try write(EventMessage.text(tag, markdown, wallTime: wallTime, step: step))
  }

  static func scalars(of record: StepRecord) -> [Named<Double>] {
    var values = [Named("loss/training", record.loss)]
    if let validation = record.validationLoss { values.append(Named("loss/validation", validation)) }
    if record.losses.count > 1 { values += record.losses.map { Named("term/" + $0.name, $0.value) } }
    values += [
      Named("training/epoch", record.epoch), Named("training/learning_rate", record.learningRate),
      Named("training/gradient_norm", record.gradientNorm), Named("speed/tokens_per_second", record.tokensPerSecond),
      Named("speed/step_seconds", record.stepSeconds),
      Named("speed/exposed_communication_seconds", record.exposedCommunicationSeconds),
    ]
    if let mfu = record.mfu { values.append(Named("speed/mfu", mfu)) }
    return values + record.seconds.map { Named("seconds/" + $0.name, $0.value) }
  }

  /// Writes the events on which `append` failed.
  public func flush() throws(FileError) { try file.flush() }

  private func write(_ message: [UInt8]) throws(FileError) { try file.append(EventMessage.framed(message)) }
}
