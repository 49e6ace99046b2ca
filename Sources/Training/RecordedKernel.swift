import Checkpoints
import Core
import Foundation

/// The OpenBLAS kernels that a run was computed with, as its folder tells: what goes on from it must use the same.
///
/// Asked before anything else is read, on every rank that sees the folder. What cannot be read is no answer here: the command
/// reads the same files afterwards, and says what is wrong with them.
public enum RecordedKernel {
  /// Of the newest whole checkpoint; nil where there is none.
  public static func newest(in folder: RunFolder) -> String? {
    for step in ((try? folder.steps()) ?? []).reversed() {
      if let checkpoint = try? Checkpoint(opening: folder.checkpointPath(step: step)) { return checkpoint.state.arithmetic?["core"] }
    }
    return nil
  }

  /// Of the start that ran step `step` (counted from 1), or of the newest checkpoint where no record tells.
  public static func ofStep(_ step: Int?, in folder: RunFolder) -> String? {
    guard let step, let past = try? PastRun(folder), let arithmetic = try? past.arithmetic(of: step - 1) else { return newest(in: folder) }
    return arithmetic.core
  }
}
