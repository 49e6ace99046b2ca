import Foundation
import Metrics
import Preparation
import Storage

/// Shows how far a preparation is: one line on a terminal that is written over; elsewhere one line per phase, and one
/// per minute in a long phase.
final class PreparationMeter {
  private let terminal = isatty(STDERR_FILENO) == 1
  private var last: PreparationProgress?
  private var lastLine = ContinuousClock.now

  private static let interval = Duration.seconds(60)

  func show(_ progress: PreparationProgress) {
    if !terminal, let last, last.phase != progress.phase || .now - lastLine >= Self.interval {
      StandardError.write(text(last) + "\n")
      lastLine = .now
    }
    last = progress
    if terminal { StandardError.write("\r" + text(progress) + "\u{1B}[K") }
  }

  func finish() {
    if let last { StandardError.write(terminal ? "\n" : text(last) + "\n") }
  }

  private func text(_ p: PreparationProgress) -> String {
    let share = p.bytesTotal > 0 ? 100 * Double(p.bytesDone) / Double(p.bytesTotal) : 100
    var text = String(format: "%@ %3.0f %%, %.1f MB/s", p.phase.rawValue, share.rounded(.down), p.bytesPerSecond / 1e6)
    // Scanning ends as soon as it knows how to split, which says nothing of how many there are.
    if p.documents > 0, p.phase != .scanning {
      text += ", \(p.documents) \(p.documents == 1 ? "document" : "documents")"
    }
    if p.tokens > 0 { text += ", \(p.tokens) \(p.tokens == 1 ? "token" : "tokens")" }
    let left = p.bytesPerSecond > 0 ? Double(p.bytesTotal - p.bytesDone) / p.bytesPerSecond : 0
    return left > 1 ? text + ", \(ProgressText.duration(left)) left" : text
  }
}
