import Core
import Foundation
import Storage

/// Writes the numbers of a run where TensorBoard finds them: `events.out.tfevents.<unix>.<host>`.
///
/// Every start begins a file of its own. After a resume its second event says so, and TensorBoard drops
/// what it had read beyond the resumed step.
///
/// Invariant: `descriptor` is open for the life of this object; one thread writes.
public final class EventWriter {
  public let path: String
  private let descriptor: Int32

  /// - Parameters:
  ///   - folder: the run folder.
  ///   - resumedStep: the step the run goes on after; 0 for a new run.
  public init(folder: String, host: String, wallTime: Double, resumedStep: Int) throws(FileError) {
    let seconds = String(Int(wallTime))
    let name = "events.out.tfevents." + String(repeating: "0", count: max(0, 10 - seconds.count)) + seconds + "." + host
    (path, descriptor) = try Self.create(folder + "/" + name)
    try write(EventMessage.version(wallTime: wallTime))
    if resumedStep > 0 { try write(EventMessage.sessionStart(wallTime: wallTime, step: resumedStep + 1)) }
  }

  deinit { close(descriptor) }

  /// A second start within one second gets the next free ending.
  private static func create(_ wanted: String) throws(FileError) -> (String, Int32) {
    for attempt in 0..<1000 {
      let path = attempt == 0 ? wanted : "\(wanted).\(attempt)"
      let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      if descriptor >= 0 { return (path, descriptor) }
      guard errno == EEXIST else { throw FileError("create", path, reason: systemReason()) }
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

  private func write(_ message: [UInt8]) throws(FileError) {
    let outcome = EventMessage.framed(message).withUnsafeBytes { bytes in
      Result { () throws(FileError) in try AtomicFile.writeAll(bytes, to: descriptor, path: path) }
    }
    try outcome.get()
  }
}
