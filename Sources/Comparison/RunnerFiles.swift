import Checkpoints
import Configuration
import Core
import Data
import Evaluation
import Foundation
import Machine
import Storage

/// Why a run has no end, and of which run it is.
public struct Failure: Codable {
  var experiment: String
  var steps: Int
  var reason: String

  func write(_ path: String) throws {
    try AtomicFile.write(String(decoding: try JSONEncoder.snakeCase().encode(self), as: UTF8.self), to: path)
  }
}

extension ConfigurationNode {
  /// Paths among the texts of a table that are files.
  var files: [String] {
    guard case .table(let table) = self else { return [] }
    return table.sorted { $0.key < $1.key }.compactMap { entry in
      guard case .string(let path) = entry.value, !path.isEmpty else { return nil }
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue ? path : nil
    }
  }
}

extension ComparisonRunner.Item {
  var folder: RunFolder { RunFolder(configuration.folder) }
  /// The last checkpoint: arms are compared at equal budget, not each at its best.
  var checkpointPath: String { folder.checkpointPath(step: plan.steps) }
  var failurePath: String { configuration.folder + "/failed.json" }

  /// Why it has no result; nil when it has, or when another configuration failed.
  var failure: String? {
    // What cannot be read is no record of a failure: the run is then looked at itself.
    guard let bytes = try? bytesIfPresent(failurePath),
      let failure = try? JSONDecoder.snakeCase().decode(Failure.self, from: bytes),
      failure.experiment == configuration.experimentHash, failure.steps == plan.steps
    else { return nil }
    return failure.reason
  }

  /// Whether its last checkpoint is there, made as planned.
  /// - Throws: `ConfigurationError` when its folder holds a run of another configuration, corpus or budget.
  func isTrained() throws -> Bool {
    if failure != nil { return true }
    guard let newest = try folder.newestIntact().checkpoint else { return false }
    func refuse(_ what: String) -> ConfigurationError {
      ConfigurationError(
        "name",
        "names a comparison whose run \(configuration.folder) \(what). Give the comparison another name, or remove that folder."
      )
    }
    let state = newest.state
    guard state.experimentHash == configuration.experimentHash else { throw refuse("was made with other settings") }
    guard state.dataHash == (try Corpus(configuration.data.corpus).manifest.contentHash) else {
      throw refuse("was trained on other data")
    }
    guard state.schedule["steps"].map({ Int($0) }) == plan.steps else {
      throw refuse(
        "was planned for \(state.schedule["steps"].map { Int($0) } ?? 0) steps, and the budget makes it \(plan.steps)")
    }
    if folder.isWhole(step: plan.steps) { return true }
    // Reported now, not after the runs before it.
    if let before = state.arithmetic.flatMap({ Arithmetic(fields: $0) }),
      let difference = Arithmetic.current().difference(from: before)
    {
      throw DivergenceError(
        "the run \(configuration.folder) was started with a different numerical environment: now, \(difference). Resume it where it was started, or remove that folder to train it again."
      )
    }
    return false
  }
}

extension ComparisonFile {
  /// - Parameter item: nil for a measure that reads no model.
  func resultPath(_ item: ComparisonRunner.Item?, _ measure: String) -> String {
    "\(path)/measures/\(item?.name ?? "baseline")/\(measure).json"
  }
  var startsPath: String { path + "/starts.json" }
}

/// A measure's result on disk, with what it was taken of.
struct StoredResult: Codable {
  var key: String
  /// Why the model could not be measured so.
  var unsupportedReason: String?
  var result: MeasureResult?

  /// nil where there is none, or none that this version wrote: it is then measured again.
  /// - Throws: `FileError` when there is a file and it cannot be read.
  static func read(_ path: String) throws -> StoredResult? {
    guard let bytes = try bytesIfPresent(path) else { return nil }
    return try? JSONDecoder.snakeCase().decode(StoredResult.self, from: bytes)
  }

  func write(_ path: String) throws {
    try makeFolders(folderAbove(path))
    try AtomicFile.write(try comparisonJSON(self), to: path)
  }
}

/// JSON as a comparison writes it. A number that is none is the text NaN, Infinity or -Infinity.
func comparisonJSON(_ value: some Encodable) throws -> String {
  String(decoding: try JSONEncoder.snakeCase(pretty: true).encode(value), as: UTF8.self) + "\n"
}

/// What a file of the comparison holds; nil where there is none.
/// - Throws: `FileError` for what is no regular file, is too large for such a file, or cannot be read.
func bytesIfPresent(_ path: String) throws(FileError) -> Data? {
  var info = stat()
  guard lstat(path, &info) == 0 else { return nil }
  return try MappedFile(path, atMost: 1 << 30).withBytes { Data($0) }
}

/// - Throws: `FileError` naming the folder.
func makeFolders(_ path: String) throws(FileError) {
  do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
    throw FileError(
      "create the folder", path, reason: error.localizedDescription,
      remedy: "Is there a file of that name, or no permission?")
  }
}
