import Foundation
import Kernels

/// The findings of all ranks: what is right is reported once, a problem with the ranks or hosts that have it.
public struct DoctorReport {
  /// What is looked at, in the order of the report.
  private static let checks: [any DoctorCheck] = [
    CPUCheck(), BLASCheck(), MPICheck(), ArithmeticCheck(), BindingCheck(), OversubscriptionCheck(), MemoryCheck(),
    SharedMemoryCheck(), LimitsCheck(), NetworkCheck(), ClockCheck(), ConfigurationCheck(), CorpusCheck(),
    RunFolderCheck(), SharedFolderCheck(),
  ]

  public private(set) var findings: [Finding] = []

  /// Whether something would stop a run, hang it or change its bits.
  public var isBroken: Bool { findings.contains { $0.level == .problem } }

  init() {}

  /// Makes all checks. Collective; all ranks end with the same report.
  public init(of job: DoctorJob) throws {
    for check in Self.checks { try add(check.findings(job), job) }
  }

  /// Takes in what one check found on every rank. Collective; all ranks end with the same report.
  mutating func add(_ mine: [Finding], _ job: DoctorJob) throws {
    let all = try job.gather(mine)
    var trouble: [(finding: Finding, ranks: [Int])] = []
    for (rank, findings) in all.enumerated() {
      for finding in findings where finding.level != .ok {
        if let index = trouble.firstIndex(where: { $0.finding == finding }) {
          trouble[index].ranks.append(rank)
        } else {
          trouble.append((finding, [rank]))
        }
      }
    }
    findings += all[0].filter { $0.level == .ok }
    for (var finding, ranks) in trouble {
      switch finding.scope {
      case .job: break
      case .host: if job.hostCount > 1 { finding.text = "on \(job.hosts(ranks)): \(finding.text)" }
      case .rank: if ranks.count < all.count { finding.text = "\(job.names(ranks)): \(finding.text)" }
      }
      findings.append(finding)
    }
  }

  /// One line per finding, and the verdict.
  public var text: String {
    let lines = findings.map { finding -> String in
      let mark = finding.level == .ok ? "ok     " : finding.level == .warning ? "note   " : "PROBLEM"
      let line = "\(mark) \(finding.subject.padding(toLength: 14, withPad: " ", startingAt: 0)) \(finding.text)"
      return finding.remedy.map { "\(line)\n                       → \($0)" } ?? line
    }
    let (problems, notes) = (findings.count { $0.level == .problem }, findings.count { $0.level == .warning })
    let sum = problems > 0 ? "not fit to train: \(problems) problem\(problems > 1 ? "s" : "")" : "fit to train"
    return (lines + [notes > 0 ? "\(sum), \(notes) note\(notes > 1 ? "s" : "")" : sum]).joined(separator: "\n")
  }
}
