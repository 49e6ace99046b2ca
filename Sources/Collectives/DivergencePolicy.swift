/// What to do when replicas differ.
public enum DivergencePolicy: String, Sendable, CaseIterable {
  /// Take the tensor from the majority and repeat the step; without a majority, roll back to the newest checkpoint.
  case repair
  /// End the job with exit code 4.
  case stop
  /// Do not compare them.
  case off
}
