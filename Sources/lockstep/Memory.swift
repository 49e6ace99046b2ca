import Core
import Training

/// Whether this host, and what binds this process, has the memory a run needs.
enum Memory {
  /// - Parameter savesHere: rank 0 is on this host, and keeps the checkpoint it is writing in memory.
  /// - Throws: `ConfigurationError` with both figures when it has not.
  static func require(_ plan: RunPlan, ranksHere: Int, savesHere: Bool) throws(ConfigurationError) {
    try plan.requireMemory(.current, ranksHere: ranksHere, savesHere: savesHere)
  }
}
