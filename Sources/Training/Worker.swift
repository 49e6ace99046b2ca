import Collectives
import Core
import Objectives
import Tensors

/// One computing thread's own memory: activations, and scratch for the largest gradient.
///
/// Invariant: only the thread with its index uses it.
public final class Worker: @unchecked Sendable {
  // Sendable: handed to one thread of the pool at a time.
  public let arena: Arena
  public let workspace: ObjectiveWorkspace
  let sink: GradientSum.Sink?
  /// Which samples it ran through forward and backward in this try of the step.
  var trained = SampleDigest()

  /// - Parameter sum: nil for a worker that only evaluates.
  init(_ objective: any Objective, samples: Int, length: Int, sum: GradientSum?) {
    (arena, workspace) = Arena.sized { objective.workspace(samples: samples, length: length, $0) }
    sink = sum?.makeSink(passes: objective.networks.passes)
  }
}
