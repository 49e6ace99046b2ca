import Core
import Foundation
import Training

/// Whether this host has the memory a run needs.
enum Memory {
  /// - Parameter savesHere: rank 0 is on this host, and keeps the checkpoint it is writing in memory.
  /// - Throws: `ConfigurationError` with both figures when it has not.
  static func require(_ plan: RunPlan, ranksHere: Int, savesHere: Bool) throws(ConfigurationError) {
    guard let available = availableBytes() else { return }
    let needed = plan.memoryBytes * ranksHere + (savesHere ? plan.checkpointBytes : 0)
    guard needed > available else { return }
    throw ConfigurationError(
      "the run",
      String(
        format: "needs %.1f GB on this host (%d ranks of %.1f GB), and %.1f GB are available. Make the model or batch.microBatch smaller, or use fewer threads.",
        Double(needed) / 1e9, ranksHere, Double(plan.memoryBytes) / 1e9, Double(available) / 1e9))
  }

  /// `MemAvailable` of the kernel.
  static func availableBytes() -> Int? {
    let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }
}
