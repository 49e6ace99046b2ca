import Core
import Foundation
import Storage

/// Writes the numbers of a run where TensorBoard finds them: `events.out.tfevents.<unix>.<host>.lockstep`.
///
/// Every start begins a file of its own with the history of the run, thinned out where it is long, and removes the file
/// of the start before: there is one file however often a run is started, and nothing of a start whose steps were lost.
/// What another program wrote into the folder stays, and TensorBoard drops what it had read of steps that come again.
///
/// Invariant: one thread at a time writes.
public final class EventWriter {
  /// Records of the history at most: more points than TensorBoard keeps of a curve.
  public static let historyLength = 5000
  private static let (prefix, mark) = ("events.out.tfevents.", ".lockstep")

  public let path: String
  private let file: GrowingFile

  /// - Parameters:
  ///   - folder: the run folder.
  ///   - resumedStep: the step the run goes on after; 0 for a new run.
  ///   - history: records up to that step. Without them the files of earlier starts stay, for they are all there is.
  public init(folder: String, host: String, wallTime: Double, resumedStep: Int, history: [StepRecord] = [])
    throws(FileError)
  {
    let seconds = String(Int(wallTime))
    let name =
      Self.prefix + String(repeating: "0", count: max(0, 10 - seconds.count)) + seconds + "." + host + Self.mark
    let earlier = try Self.earlier(in: folder)
    let knowsAll = !history.isEmpty || resumedStep == 0
    var preamble = EventMessage.framed(EventMessage.version(wallTime: wallTime))
    if resumedStep > 0 || !earlier.isEmpty {
      preamble += EventMessage.framed(
        EventMessage.sessionStart(wallTime: wallTime, step: knowsAll ? 1 : resumedStep + 1))
    }
    for record in history { preamble += EventMessage.framed(Self.message(record)) }
    path = try Self.free(folder + "/" + name)
    file = try GrowingFile(path, preamble: preamble)
    guard knowsAll else { return }
    for name in earlier where name.contains(Self.mark) {
      let old = folder + "/" + name
      guard try FileKind.of(old) == .file else { continue }
      try FileFaults.check("remove", old)
      guard unlink(old) == 0 || errno == ENOENT else { throw FileError("remove", old, reason: systemReason()) }
    }
  }

  /// Names of event files in the folder.
  private static func earlier(in folder: String) throws(FileError) -> [String] {
    do { return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix(prefix) } } catch {
      throw FileError("list", folder, reason: error.localizedDescription)
    }
  }

  /// A second start within one second gets the next free ending.
  private static func free(_ wanted: String) throws(FileError) -> String {
    for attempt in 0..<1000 {
      let path = attempt == 0 ? wanted : "\(wanted).\(attempt)"
      if try FileKind.of(path) == .absent { return path }
    }
    throw FileError("create", wanted, reason: "a thousand files of this name are there")
  }

  /// Every number of a record that changes from step to step.
  public func append(_ record: StepRecord) throws(FileError) {
    try write(Self.message(record))
  }

  private static func message(_ record: StepRecord) -> [UInt8] {
    EventMessage.scalars(scalars(of: record).filter(\.value.isFinite), wallTime: record.wallTime, step: record.step)
  }

  /// A text, such as the configuration, in Markdown.
  public func appendText(_ tag: String, markdown: String, wallTime: Double, step: Int = 0) throws(FileError) {
    try write(EventMessage.text(tag, markdown, wallTime: wallTime, step: step))
  }

  static func scalars(of record: StepRecord) -> [Named<Double>] {
    if record.isSkipped { return [Named("training/skipped", 1)] }
    var values = [Named("loss/training", record.loss)]
    if let validation = record.validationLoss { values.append(Named("loss/validation", validation)) }
    if record.losses.count > 1 { values += record.losses.map { Named("term/" + $0.name, $0.value) } }
    values += [
      Named("training/epoch", record.epoch), Named("training/learning_rate", record.learningRate),
      Named("training/gradient_norm", record.gradNorm), Named("speed/tokens_per_second", record.tokensPerS),
      Named("speed/step_seconds", record.stepSeconds),
      Named("speed/communication_seconds", record.communicationSeconds),
      Named("speed/exposed_communication_seconds", record.exposedCommunicationSeconds),
      Named("speed/data_wait_seconds", record.dataWaitSeconds),
    ]
    if let mfu = record.mfu { values.append(Named("speed/mfu", mfu)) }
    return values + record.seconds.map { Named("seconds/" + $0.name, $0.value) }
  }

  /// Writes the events on which `append` failed.
  public func flush() throws(FileError) { try file.flush() }

  private func write(_ message: [UInt8]) throws(FileError) { try file.append(EventMessage.framed(message)) }
}
