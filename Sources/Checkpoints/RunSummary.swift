import Core
import Safetensors

/// What a run folder or a checkpoint holds, for `lockstep inspect`.
public struct RunSummary: Codable, Sendable, Equatable {
  public var path: String
  public var latest: Int?
  public var best: Int?
  public var checkpoints: [CheckpointSummary]
  /// What is wrong with `latest` or `best`.
  public var problems: [String]

  /// Reads every byte of every checkpoint once, to say which are intact.
  public init(of run: RunFolder) throws(CheckpointError) {
    path = run.path
    problems = []
    do { latest = try run.latest() } catch { problems.append(error.description) }
    do { best = try run.best() } catch { problems.append(error.description) }
    let steps = try run.steps()
    checkpoints = steps.map { CheckpointSummary(of: run.checkpointPath(step: $0)) }
    for (name, step) in [("latest", latest), ("best", best)] {
      guard let step, !steps.contains(step) else { continue }
      problems.append("\(name) names \(RunFolder.checkpointName(step: step)), which is not there")
    }
  }

  public var lines: [String] {
    guard !checkpoints.isEmpty else { return ["\(printableName(path)): no checkpoints"] }
    let marks: (CheckpointSummary) -> String = { summary in
      [summary.step == latest ? "latest" : nil, summary.step == best ? "best" : nil].compactMap { $0 }.map { ", \($0)" }
        .joined()
    }
    return ["\(printableName(path)): \(counted(checkpoints.count, "checkpoint"))"]
      + checkpoints.map { "  \($0.headline)\(marks($0))" }
      + problems.map { "  DAMAGED, \($0)" }
  }
}

/// A checkpoint: whether it can be trusted, and what is in it.
public struct CheckpointSummary: Codable, Sendable, Equatable {
  public struct File: Codable, Sendable, Equatable {
    public var name: String
    public var bytes: Int
    /// Of a safetensors file, in the order of their bytes.
    public var tensors: [TensorDescription]
  }

  public var path: String
  public var step: Int?
  public var isIntact: Bool
  /// Why it is not intact.
  public var problem: String?
  /// Whether it could not be read, so that nothing is known of its bytes.
  public var isUnread: Bool
  /// Whether a newer version of the program wrote it.
  public var isOtherVersion: Bool
  public var tokensSeen: Int?
  public var files: [File]

  public init(of path: String) {
    self.path = path
    do throws(CheckpointError) {
      let checkpoint = try Checkpoint(verifying: path)
      (isIntact, isUnread, isOtherVersion) = (true, false, false)
      problem = nil
      step = checkpoint.step
      tokensSeen = checkpoint.state.tokensSeen
      files = checkpoint.files.sorted { $0.key < $1.key }.map { name, record in
        let tensors = name.hasSuffix(".safetensors") ? (try? checkpoint.tensors(name).tensors) ?? [] : []
        return File(name: name, bytes: record.bytes, tensors: tensors)
      }
    } catch {
      (isIntact, isUnread, isOtherVersion) = (false, error.exitCode == .inputOutput, error.isOtherVersion)
      problem = error.description
      step = path.split(separator: "/").last.flatMap { RunFolder.step(ofCheckpointNamed: String($0)) }
      tokensSeen = nil
      files = []
    }
  }

  public var bytes: Int { files.reduce(0) { $0 + $1.bytes } }

  /// One line: the step, its size, and whether it is intact.
  public var headline: String {
    let name = step.map { "step \($0)" } ?? printableName(path)
    return isIntact
      ? "\(name): intact, \(byteText(bytes))"
      : "\(name): \(isUnread || isOtherVersion ? "NOT READ" : "DAMAGED"), \(problem ?? "")"
  }

  /// The headline, then one line for each file and tensor.
  public var lines: [String] {
    var lines = [headline]
    if let tokensSeen { lines.append("  \(counted(tokensSeen, "token")) seen") }
    for file in files {
      lines.append("  \(file.name): \(byteText(file.bytes))")
      lines += file.tensors.map { "    \($0.name) \($0.format) \($0.shape)" }
    }
    return lines
  }
}

/// A size for a person: `512 bytes`, `1.5 KiB`, `3.0 MiB`.
func byteText(_ bytes: Int) -> String {
  guard bytes >= 1024 else { return "\(bytes) bytes" }
  var value = Double(bytes) / 1024
  var units = ["KiB", "MiB", "GiB", "TiB"][...]
  while value >= 1024, units.count > 1 {
    value /= 1024
    units = units.dropFirst()
  }
  let tenths = Int((value * 10).rounded())
  return "\(tenths / 10).\(tenths % 10) \(units.first ?? "TiB")"
}
