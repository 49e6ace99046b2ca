import Core

/// Which of OpenBLAS's cores a process computes with: a pure function of what is known at start.
public struct BLASCoreChoice: Sendable, Equatable {
  /// Why it is this one.
  public enum Reason: String, Sendable, Codable {
    /// The best one of this CPU.
    case best
    /// `OPENBLAS_CORETYPE` names it.
    case asked
    /// The run that goes on was computed with it.
    case run
    /// This OpenBLAS holds no other one.
    case only
  }

  /// What is known at start.
  public struct Facts: Sendable, Equatable {
    public var cpu: CPU
    /// The core OpenBLAS took when it was loaded.
    public var reported: String
    /// The cores this OpenBLAS holds; nil where it does not tell.
    public var available: Set<String>?
    /// Whether OpenBLAS chooses when it is loaded; else it was built for one core.
    public var isDynamic: Bool
    /// What `OPENBLAS_CORETYPE` named before this program set it; nil where it was not set.
    public var asked: String?
    /// The core of the run that goes on.
    public var run: String?
    /// Cores that compute wrong products here, or that OpenBLAS did not take.
    public var rejected: [String]

    public init(
      cpu: CPU, reported: String, available: Set<String>? = nil, isDynamic: Bool = true, asked: String? = nil, run: String? = nil,
      rejected: [String] = []
    ) {
      (self.cpu, self.reported, self.available, self.isDynamic) = (cpu, reported, available, isDynamic)
      (self.asked, self.run, self.rejected) = (asked, run, rejected)
    }
  }

  /// The core to compute with.
  public let core: String
  /// The best one of this CPU in this OpenBLAS.
  public let best: String
  public let reason: Reason
  /// Why the run's own core is not the one.
  public let remark: String?

  public init(core: String, best: String, reason: Reason, remark: String? = nil) {
    (self.core, self.best, self.reason, self.remark) = (core, best, reason, remark)
  }

  /// - Throws: `ConfigurationError` when a core was asked for that OpenBLAS does not have or this CPU cannot run.
  public init(_ facts: Facts) throws(ConfigurationError) {
    let best = facts.best
    if let asked = facts.asked {
      try facts.require(asked)
      self.init(core: facts.reported, best: best, reason: .asked)
    } else if let run = facts.run, run != best {
      let obstacle = facts.obstacle(run)
      self.init(core: obstacle == nil ? run : best, best: best, reason: obstacle == nil ? .run : .best, remark: obstacle)
    } else {
      self.init(core: best, best: best, reason: facts.isDynamic ? .best : .only)
    }
  }
}

extension BLASCoreChoice.Facts {
  /// What this CPU can run of what the library holds, best first.
  public var usable: [BLASCore] {
    guard isDynamic else { return [] }
    return cpu.runnable(of: available).filter { !isRejected($0.name) }
  }

  private func isRejected(_ name: String) -> Bool { rejected.contains { $0.lowercased() == name.lowercased() } }
  private func core(_ name: String) -> BLASCore? { BLASCore.all(cpu.architecture).first { $0.isCalled(name) } }

  /// OpenBLAS's own choice where nothing of a higher step can run: it may know more of a CPU than the table does.
  fileprivate var best: String {
    let usable = usable
    guard let first = usable.first else { return reported }
    if let own = usable.first(where: { $0.isCalled(reported) }) { return cpu.step(own) == cpu.step(first) ? own.name : first.name }
    // A name that is not in the table is of a newer OpenBLAS, which has chosen it for this CPU.
    let isNewer = core(reported) == nil && !reported.isEmpty && reported.lowercased() != "unknown"
    return isNewer && asked == nil && !isRejected(reported) ? reported : first.name
  }

  /// Why `name` cannot be used here; nil where it can.
  fileprivate func obstacle(_ name: String) -> String? {
    let isReported = name.lowercased() == reported.lowercased()
    if isRejected(name) { return "its products are wrong on this CPU (\(cpu.name))" }
    guard isDynamic else { return isReported ? nil : "this OpenBLAS was built for \(reported) alone" }
    guard let core = core(name), available?.contains(core.name) != false else { return isReported ? nil : "this OpenBLAS does not have it" }
    let missing = cpu.missing(core.needs)
    return missing.isEmpty ? nil : "this CPU (\(cpu.name)) lacks \(missing.joined(separator: ", "))"
  }

  fileprivate func require(_ asked: String) throws(ConfigurationError) {
    var obstacle = obstacle(asked)
    if obstacle == nil, asked.lowercased() != reported.lowercased() { obstacle = "this OpenBLAS did not take it and uses \(reported)" }
    guard let obstacle else { return }
    let names = usable.isEmpty ? [reported] : usable.map(\.name)
    throw ConfigurationError(
      "OPENBLAS_CORETYPE", is: "\"\(asked)\"",
      rule: "it must name a core that OpenBLAS has and this CPU can run, but \(obstacle). Those are, best first: \(names.joined(separator: ", ")). Without the variable lockstep takes the best one.")
  }
}
