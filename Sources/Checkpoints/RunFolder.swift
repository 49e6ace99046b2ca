import Core
import Foundation
import Safetensors
import Storage

/// The folder of a run and the layout of what it leaves behind.
///
/// ```
/// config.toml   launches/0001.json …   metrics.jsonl   curve.svg
/// checkpoints/step-00001000/{model.safetensors, config.json, …, optimizer.safetensors, state.json}
/// latest   best
/// ```
public struct RunFolder: Sendable, Equatable {
  public let path: String

  public init(_ path: String) { self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path }

  public var configurationPath: String { path + "/config.toml" }
  public var metricsPath: String { path + "/metrics.jsonl" }
  public var curvePath: String { path + "/curve.svg" }
  public var launchesPath: String { path + "/launches" }
  public var checkpointsPath: String { path + "/checkpoints" }

  /// The folder of a step's checkpoint.
  public func checkpointPath(step: Int) -> String { checkpointsPath + "/" + Self.checkpointName(step: step) }

  /// `step-` and the step with at least eight digits, so that names sort as numbers do.
  public static func checkpointName(step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  /// More steps than this no configuration can set; up to here counts of samples and tokens fit their integers.
  public static let largestStep = 100_000_000

  /// The step of a checkpoint's folder name; nil for any other name.
  public static func step(ofCheckpointNamed name: String) -> Int? {
    guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), (0...largestStep).contains(step),
      checkpointName(step: step) == name
    else { return nil }
    return step
  }

  /// Creates the folder and removes what a killed process left half-written. Only one process of a run may call it.
  ///
  /// - Returns: the names of what was removed.
  @discardableResult
  public func prepare() throws(CheckpointError) -> [String] {
    try requireOwnFiles()
    try Folders.create(launchesPath)
    try Folders.create(checkpointsPath)
    var removed: [String] = []
    for folder in [path, checkpointsPath, launchesPath] {
      for name in try Folders.names(in: folder) where Self.isLeftover(name) {
        try Folders.remove(folder + "/" + name)
        removed.append(name)
      }
    }
    return removed
  }

  /// Temporary folders of this module (`.tmp-<random>-step-…`) and files of `AtomicFile` (`name.tmp-<random>`), and
  /// nothing else.
  static func isLeftover(_ name: String) -> Bool {
    guard let mark = name.range(of: AtomicFile.temporaryMark, options: .backwards) else { return false }
    let end = name[mark.upperBound...]
    guard name.hasPrefix(AtomicFile.temporaryMark), let dash = end.firstIndex(of: "-") else {
      return TemporaryName.isRandom(end)
    }
    return TemporaryName.isRandom(end[..<dash])
      && step(ofCheckpointNamed: String(end[end.index(after: dash)...])) != nil
  }

  /// A folder of this step that is not finished, or no longer wanted. No two calls give the same.
  func temporaryPath(step: Int) -> String {
    checkpointsPath + "/" + AtomicFile.temporaryMark + TemporaryName.random() + "-" + Self.checkpointName(step: step)
  }

  /// Looks at everything a start would write, and changes nothing.
  ///
  /// - Throws: `CheckpointError` with exit code `inputOutput` for a link, a named pipe or anything else that is not
  ///   what a run makes: what it leads to would be overwritten, emptied or waited for.
  public func requireOwnFiles() throws(CheckpointError) {
    for name in [launchesPath, checkpointsPath] { try requireOwn(name, .folder) }
    for name in [configurationPath, metricsPath, ledgerPath, curvePath, path + "/latest", path + "/best"] {
      try requireOwn(name, .file)
    }
  }

  /// - Throws: `CheckpointError` when something other than `kind` stands under the path.
  func requireOwn(_ file: String, _ kind: FileKind) throws(CheckpointError) {
    let found = try Folders.kind(of: file)
    guard found != .absent, found != kind else { return }
    let wanted = kind == .folder ? "folder" : "regular file"
    throw CheckpointError(
      "write", file, found == .link ? FileKind.linkReason : "it is not a \(wanted)",
      remedy: "Put a \(wanted) in its place, or remove it. To keep runs on another disk, set machine.runs.",
      exitCode: .inputOutput)
  }

  // MARK: - Small files

  /// Writes the resolved configuration, complete or not at all.
  public func writeConfiguration(_ text: String) throws(CheckpointError) {
    try Folders.writeText(text, to: configurationPath)
  }

  /// The configuration the run was started with; nil in a new folder.
  public func configuration() throws(CheckpointError) -> String? {
    guard try Folders.kind(of: configurationPath) != .absent else { return nil }
    return String(decoding: try Folders.read(configurationPath, atMost: 1 << 20), as: UTF8.self)
  }

  /// Writes the record of a start under the next number. - Returns: its path.
  @discardableResult
  public func writeLaunch(_ json: [UInt8]) throws(CheckpointError) -> String {
    let last = try Folders.names(in: launchesPath).compactMap(Self.number(ofLaunchNamed:)).max() ?? 0
    let digits = String(last + 1)
    let file = launchesPath + "/" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + ".json"
    try requireOwn(launchesPath, .folder)
    try CheckpointError.wrapping { () throws(FileError) in try AtomicFile.write(json, to: file) }
    try pruneLaunches()
    return file
  }

  /// Records of starts that stay: the first, and so many of the newest less one.
  public static let launchesKept = 200

  /// Removes records of starts between the first and the newest.
  private func pruneLaunches() throws(CheckpointError) {
    let names = try Folders.names(in: launchesPath).compactMap { name in
      Self.number(ofLaunchNamed: name).map { (number: $0, name: name) }
    }
    guard names.count > Self.launchesKept else { return }
    for (_, name) in names.sorted(by: { $0.number < $1.number }).dropFirst().dropLast(Self.launchesKept - 1) {
      guard try Folders.kind(of: launchesPath + "/" + name) == .file else { continue }
      try Folders.remove(launchesPath + "/" + name)
    }
  }

  /// The number of a start's record; nil for names this module does not write, however large the number in them.
  static func number(ofLaunchNamed name: String) -> Int? {
    guard name.hasSuffix(".json"), let number = Int(name.dropLast(5)), (1...999_999_999).contains(number) else {
      return nil
    }
    return number
  }

  // MARK: - Pointers

  /// The step `latest` names; nil when it names none.
  public func latest() throws(CheckpointError) -> Int? { try pointer("latest") }

  /// The step of lowest validation loss, as `best` names it.
  public func best() throws(CheckpointError) -> Int? { try pointer("best") }

  public func setLatest(step: Int) throws(CheckpointError) { try point("latest", at: step) }
  public func setBest(step: Int) throws(CheckpointError) { try point("best", at: step) }

  func pointer(_ name: String) throws(CheckpointError) -> Int? {
    let file = path + "/" + name
    guard try Folders.kind(of: file) != .absent else { return nil }
    let text = String(decoding: try Folders.read(file, atMost: 4096), as: UTF8.self).trimmingCharacters(
      in: .whitespacesAndNewlines)
    guard let step = Self.step(ofCheckpointNamed: text) else {
      throw CheckpointError(
        "read", file, "\"\(text)\" is not the name of a checkpoint",
        remedy: "Write one such as \(Self.checkpointName(step: 1000)), or remove the file.")
    }
    return step
  }

  func point(_ name: String, at step: Int) throws(CheckpointError) {
    try Folders.writeText(Self.checkpointName(step: step) + "\n", to: path + "/" + name)
  }

  /// Steps that have a checkpoint folder, rising; not all need be intact.
  public func steps() throws(CheckpointError) -> [Int] {
    try Folders.names(in: checkpointsPath).compactMap(Self.step(ofCheckpointNamed:)).sorted()
  }
}
