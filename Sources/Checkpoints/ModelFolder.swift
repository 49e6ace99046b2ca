import Core
import Safetensors

/// Which checkpoint of a run is meant.
public enum CheckpointChoice: Sendable, Equatable {
  /// The one of lowest validation loss.
  case best
  /// The newest that is intact.
  case latest
  /// The one after so many finished steps.
  case step(Int)

  /// `best`, `latest`, or a step. - Returns: nil for anything else.
  public init?(_ text: String) {
    switch text {
    case "best": self = .best
    case "latest": self = .latest
    default:
      guard let step = Int(text) ?? RunFolder.step(ofCheckpointNamed: text), (0...RunFolder.largestStep).contains(step)
      else { return nil }
      self = .step(step)
    }
  }
}

/// Finds the folder with weights that a path means: every command takes a run folder where it takes a checkpoint.
public enum ModelFolder {
  /// - Parameters:
  ///   - path: a checkpoint, a folder saved by Hugging Face, or a run folder.
  ///   - choice: which checkpoint of a run; nil for the best, or where a run has none yet, the newest.
  ///   - report: gets a sentence for what was chosen, and for each checkpoint that was passed over.
  /// - Returns: a folder with `config.json`. A checkpoint of a run has been verified.
  /// - Throws: errors that name the folder and what it lacks.
  public static func resolve(_ path: String, _ choice: CheckpointChoice? = nil, report: (String) -> Void) throws
    -> String
  {
    guard Folders.exists(path) else {
      let problem = Folders.isFile(path) ? "is a file." : "does not exist."
      throw DataError(
        path, problem, remedy: "Name a run folder, a checkpoint folder, or a folder saved by Hugging Face.")
    }
    if Folders.isFile(path + "/config.json") { return try single(path, choice) }
    let run = RunFolder(path)
    let checkpoint = try chosen(run, choice, report)
    report("using \(printableName(checkpoint.path)), \(try description(checkpoint, of: run))")
    return checkpoint.path
  }

  private static func single(_ path: String, _ choice: CheckpointChoice?) throws -> String {
    guard choice == nil else {
      throw ConfigurationError(
        "--checkpoint",
        "chooses among the checkpoints of a run, and \(path) is one model. Name the run's folder, or leave it out.")
    }
    let hasState = Folders.isFile(path + "/state.json")
    if !hasState, let name = path.split(separator: "/").last, RunFolder.step(ofCheckpointNamed: String(name)) != nil {
      throw DataError(
        path, "has no state.json, so it was never finished.", remedy: "Use another checkpoint of the run.")
    }
    // A checkpoint of ours is verified; a folder from elsewhere has no digests.
    if hasState { _ = try Checkpoint(verifying: path) }
    return path
  }

  private static func chosen(_ run: RunFolder, _ choice: CheckpointChoice?, _ report: (String) -> Void) throws
    -> Checkpoint
  {
    switch choice {
    case .step(let step): return try run.checkpoint(step: step)
    case .latest: return try newest(run, report)
    case .best:
      guard let best = try run.best() else {
        throw DataError(
          run.path, "names no best checkpoint: it has not been validated yet.", remedy: "Use --checkpoint latest.")
      }
      return try run.checkpoint(step: best)
    case nil:
      do throws(CheckpointError) {
        if let best = try run.best() { return try run.checkpoint(step: best) }
      } catch {
        // What cannot be read is no reason to take another one.
        guard error.exitCode == .data else { throw error }
        report("warning: the best checkpoint is not used: \(error)")
      }
      return try newest(run, report)
    }
  }

  private static func newest(_ run: RunFolder, _ report: (String) -> Void) throws -> Checkpoint {
    let recovery = try run.newestIntact()
    for warning in recovery.warnings { report("warning: \(warning)") }
    guard let newest = recovery.checkpoint else {
      throw DataError(
        run.path, "holds neither a model nor a run with a checkpoint.", remedy: "Has the run saved one yet?")
    }
    return newest
  }

  /// `the best and latest of 3 checkpoints`.
  private static func description(_ checkpoint: Checkpoint, of run: RunFolder) throws -> String {
    let steps = try run.steps()
    let isBest = ((try? run.best()) ?? nil) == checkpoint.step
    let names = [isBest ? "best" : nil, steps.last == checkpoint.step ? "latest" : nil].compactMap { $0 }
    let rank = names.isEmpty ? "one" : "the \(names.joined(separator: " and "))"
    return steps.count == 1 ? "the only checkpoint" : "\(rank) of \(steps.count) checkpoints"
  }
}
