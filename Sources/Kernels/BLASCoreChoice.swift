import Core

/// Which of OpenBLAS's cores a process computes with: a pure function of what is known at start.
public struct BLASCoreChoice: Sendable, Equatable {
  /// Why it is this one.
  public enum Reason: String, Sendable, Codable {
    /// The best one of this CPU.
    case best
    /// `OPENBLAS_CORETYPE` names it.
    case requested
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
    public var requested: String?
    /// The core of the run that goes on.
    public var run: String?
    /// Cores that compute wrong products here, or that OpenBLAS did not take.
    public var rejected: [String]

    public init(
      cpu: CPU, reported: String, available: Set<String>? = nil, isDynamic: Bool = true, requested: String? = nil,
      run: String? = nil,
      rejected: [String] = []
    ) {
      (self.cpu, self.reported, self.available, self.isDynamic) = (cpu, reported, available, isDynamic)
      (self.requested, self.run, self.rejected) = (requested, run, rejected)
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

  /// - Throws: `ConfigurationError` when a core was requested for that OpenBLAS does not have or this CPU cannot run.
  public init(_ facts: Facts) throws(ConfigurationError) {
    let best = facts.best
    if let requested = facts.requested {
      try facts.require(requested)
      self.init(core: facts.reported, best: best, reason: .requested)
    } else if let run = facts.run, run != best {
      let problem = facts.problem(run)
      self.init(core: problem == nil ? run : best, best: best, reason: problem == nil ? .run : .best, remark: problem)
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
    if let own = usable.first(where: { $0.isCalled(reported) }) {
      return cpu.step(own) == cpu.step(first) ? own.name : first.name
    }
    // A name that is not in the table is of a newer OpenBLAS, which has chosen it for this CPU.
    let isNewer = core(reported) == nil && !reported.isEmpty && reported.lowercased() != "unknown"
    return isNewer && requested == nil && !isRejected(reported) ? reported : first.name
  }

  /// Why `name` cannot be used here; nil where it can.
  fileprivate func problem(_ name: String) -> String? {
    let isReported = name.lowercased() == reported.lowercased()
    if isRejected(name) { return "its products are wrong on this CPU (\(cpu.name))" }
    guard isDynamic else { return isReported ? nil : "this OpenBLAS was built for \(reported) alone" }
    guard let core = core(name), available?.contains(core.name) != false else {
      return isReported ? nil : "this OpenBLAS does not have it"
    }
    let missing = cpu.missing(core.needs)
    return missing.isEmpty ? nil : "this CPU (\(cpu.name)) lacks \(missing.joined(separator: ", "))"
  }

  fileprivate func require(_ requested: String) throws(ConfigurationError) {
    var problem = problem(requested)
    if problem == nil, requested.lowercased() != reported.lowercased() {
      problem = "this OpenBLAS did not take it and uses \(reported)"
    }
    guard let problem else { return }
    let names = usable.isEmpty ? [reported] : usable.map(\.name)
    throw ConfigurationError(
      "OPENBLAS_CORETYPE", is: "\"\(requested)\"",
      rule:
        "it must name a core that OpenBLAS has and this CPU can run, but \(problem). Those are, best first: \(names.joined(separator: ", ")). Without the variable lockstep takes the best one."
    )
  }
}
