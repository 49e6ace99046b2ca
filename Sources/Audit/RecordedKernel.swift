import Checkpoints
import Core
import Foundation
import Machine

/// The OpenBLAS kernels that a run was computed with, as its folder records them: what resumes it must use the same.
///
/// Called before anything else is read, on every rank that sees the folder. What cannot be read is no error here: the
/// command reads the same files afterwards, and says what is wrong with them.
public enum RecordedKernel {
  /// Of the newest whole checkpoint; nil where there is none.
  public static func newest(in folder: RunFolder) -> String? {
    for step in ((try? folder.steps()) ?? []).reversed() {
      if let checkpoint = try? Checkpoint(opening: folder.checkpointPath(step: step)) {
        return checkpoint.state.arithmetic?["core"]
      }
    }
    return nil
  }

  /// Of the start that ran step `step` (counted from 1), or of the newest checkpoint where no record has it.
  public static func ofStep(_ step: Int?, in folder: RunFolder) -> String? {
    guard let step, let past = try? PastRun(folder), let arithmetic = try? past.arithmetic(of: step - 1) else {
      return newest(in: folder)
    }
    return arithmetic.core
  }

  /// From which step on a run was computed with which kernels.
  public struct Stretch: Codable, Sendable, Equatable {
    public var fromStep: Int
    public var core: String
  }

  /// Of the whole run, as its newest whole checkpoint records them; empty where it does not.
  public static func history(in folder: RunFolder) -> [Stretch] {
    let checkpoint = ((try? folder.steps()) ?? []).reversed().lazy.compactMap {
      try? Checkpoint(opening: folder.checkpointPath(step: $0))
    }.first
    guard let state = checkpoint?.state, let core = state.arithmetic?["core"] else { return [] }
    let breaks = state.arithmeticBreaks ?? []
    var stretches = [Stretch(fromStep: 0, core: breaks.first?.from["core"] ?? core)]
    for change in breaks {
      guard let new = change.to["core"], new != stretches.last?.core else { continue }
      stretches.append(Stretch(fromStep: change.step, core: new))
    }
    return stretches
  }

  /// `kernels: OpenBLAS's Prescott, from step 20 on Haswell`; nil where nothing records them.
  public static func line(_ stretches: [Stretch]) -> String? {
    guard let first = stretches.first else { return nil }
    return "kernels: OpenBLAS's \(first.core)"
      + stretches.dropFirst().map { ", from step \($0.fromStep) on \($0.core)" }.joined()
  }
}
