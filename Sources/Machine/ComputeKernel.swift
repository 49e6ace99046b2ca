import CProcess
import Core
import Foundation
import Kernels
import Storage

/// The OpenBLAS kernels this process computes with, and why.
public struct ComputeKernel: Codable, Sendable, Equatable {
  /// OpenBLAS's name of the running ones.
  public var core: String
  /// Of the best ones this CPU can run.
  public var best: String
  public var reason: BLASCoreChoice.Reason
  /// Those that were found wrong on this CPU, or that OpenBLAS did not take.
  public var rejected: [String]

  public var isBest: Bool { core == best }

  /// This process's. After `KernelStart.chooseKernel` its choice; in a program that does not call it, what OpenBLAS
  /// took.
  public static let current: ComputeKernel = {
    let note = StartNote.own
    let facts = ComputeKernel.facts(rejected: note?.rejected ?? [])
    if let note {
      return ComputeKernel(core: facts.reported, best: note.best, reason: note.reason, rejected: note.rejected)
    }
    let best = facts.requested == nil ? nil : facts.usable.first?.name
    if let choice = try? BLASCoreChoice(facts) {
      // Not restarted: a core that was not requested is the one OpenBLAS took itself.
      return ComputeKernel(core: facts.reported, best: choice.best, reason: choice.reason, rejected: [])
    }
    return ComputeKernel(core: facts.reported, best: best ?? facts.reported, reason: .requested, rejected: [])
  }()

  /// What this host and its OpenBLAS are.
  static func facts(run: String? = nil, rejected: [String] = []) -> BLASCoreChoice.Facts {
    let identity = BLAS.identity
    return BLASCoreChoice.Facts(
      cpu: .current, reported: identity.coreName, available: BLAS.availableCores, isDynamic: identity.isDynamic,
      requested: StartNote.requested, run: run, rejected: rejected)
  }

  /// The cores that this host can use, best first, for a choice among hosts.
  public static func usable() -> [String] {
    let facts = ComputeKernel.facts(rejected: StartNote.own?.rejected ?? [])
    let best = current.best
    return facts.isDynamic ? [best] + facts.usable.map(\.name).filter { $0 != best } : [facts.reported]
  }
}

/// The choice of OpenBLAS's kernels before anything is computed, for every way of starting the program.
///
/// OpenBLAS chooses when it is loaded, by the CPU's family and model, and takes poor kernels for a CPU it does not
/// know. Which ones run cannot be changed afterwards: the program sets `OPENBLAS_CORETYPE` and replaces itself with a
/// new start of the same program, in the same process, before MPI begins.
public enum KernelStart {
  /// Returns in a process that computes with the kernels it should, checked; restarts the program where they are
  /// others.
  ///
  /// - Parameters:
  ///   - run: the core of the resumed run, and its folder; nil where there is none.
  ///   - warn: gets what is to be said once, on rank 0.
  /// - Throws: `ConfigurationError` for a core that was requested and cannot be used, and where memory for products is
  ///   refused.
  public static func chooseKernel(run: () -> (core: String, folder: String)?, warn: (String) -> Void) throws {
    BLAS.useOneThread()
    // Threads of OpenBLAS's own, which only wait, take as much address space each as one that computes; where they are
    // refused it they try for ever, and the program cannot even end.
    if HostLimits.current.addressBytes != nil || !BLAS.fits(threads: 1) { try StartNote.restartWithOneThread() }
    guard BLAS.fits(threads: 1) else {
      throw ConfigurationError(
        "memory",
        "is refused: OpenBLAS needs \(BLAS.bytesPerThread >> 20) MB of address space per thread. \(HostLimits.current.refusal)"
      )
    }
    let reported = BLAS.identity.coreName
    if let note = StartNote.own {
      if note.core.lowercased() != reported.lowercased() {
        return try restart(run(), rejecting: note.rejected + [note.core], warn) {
          "OpenBLAS did not take its \(note.core) kernels and uses those of \(reported)"
        }
      }
    } else {
      let run = run()
      let choice = try BLASCoreChoice(ComputeKernel.facts(run: run?.core))
      if let remark = choice.remark, let run {
        warn("\(run.folder) was computed with OpenBLAS's \(run.core) kernels, which cannot be used here: \(remark).")
      }
      if choice.core != reported { try StartNote(choice, rejected: []).restart() }
    }
    if let wrong = ProductCheck().firstWrong() { try reject(reported, wrong, run(), warn) }
    remark(run, warn)
  }

  /// Restarts with the next best kernels. - Throws: `ConfigurationError` where there are none, or these were requested.
  private static func reject(
    _ core: String, _ wrong: String, _ run: (core: String, folder: String)?, _ warn: (String) -> Void
  ) throws {
    let sentence = "OpenBLAS's \(core) kernels compute wrong products on this CPU (\(CPU.current.name)): \(wrong)"
    if StartNote.requested != nil {
      throw ConfigurationError(
        "OPENBLAS_CORETYPE", is: "\"\(core)\"", rule: "\(sentence). Leave it out, or install another OpenBLAS.")
    }
    try restart(run, rejecting: (StartNote.own?.rejected ?? []) + [core], warn) { sentence }
  }

  private static func restart(
    _ run: (core: String, folder: String)?, rejecting rejected: [String], _ warn: (String) -> Void,
    _ reason: () -> String
  ) throws {
    let choice = try BLASCoreChoice(ComputeKernel.facts(run: run?.core, rejected: rejected))
    guard !rejected.contains(where: { $0.lowercased() == choice.core.lowercased() }),
      rejected.count <= BLASCore.all(CPU.current.architecture).count
    else {
      throw DivergenceError("\(reason()). No other kernels of this OpenBLAS can be used: install another OpenBLAS.")
    }
    warn("\(reason()). They are not used; \(choice.core) is.")
    if let remark = choice.remark, let run {
      warn("\(run.folder) was computed with OpenBLAS's \(run.core) kernels, which cannot be used here: \(remark).")
    }
    try StartNote(choice, rejected: rejected).restart()
  }

  /// Says once that better kernels are there, and what to do.
  private static func remark(_ run: () -> (core: String, folder: String)?, _ warn: (String) -> Void) {
    let kernel = ComputeKernel.current
    guard !kernel.isBest else { return }
    switch kernel.reason {
    case .requested:
      warn(
        "OPENBLAS_CORETYPE asks for OpenBLAS's \(kernel.core) kernels, and its \(kernel.best) kernels are faster on this CPU. Leave the variable (launch/run --core) out, unless other hosts of the job or the run so far need it."
      )
    case .run:
      warn(
        "\(run()?.folder ?? "the run") resumes with the \(kernel.core) kernels it was computed with, and OpenBLAS's \(kernel.best) kernels are faster on this CPU. OPENBLAS_CORETYPE=\(kernel.best) with --accept-arithmetic changes to them, and the bits from there on."
      )
    case .best, .only: break
    }
  }
}

/// What a start that replaced itself hands to the next one, in an environment variable.
struct StartNote: Equatable {
  static let variable = "LOCKSTEP_KERNEL"
  static let coreVariable = "OPENBLAS_CORETYPE"

  /// The process that replaced itself: a variable that another process inherits is not its own.
  var process: Int32
  var core: String
  var best: String
  var reason: BLASCoreChoice.Reason
  var rejected: [String]

  init(_ choice: BLASCoreChoice, rejected: [String], process: Int32 = getpid()) {
    (self.process, core, best, reason) = (process, choice.core, choice.best, choice.reason)
    self.rejected = rejected
  }

  /// What `text` gave; nil for anything else.
  init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 5, let process = Int32(parts[0]), let reason = BLASCoreChoice.Reason(rawValue: parts[3]) else {
      return nil
    }
    (self.process, core, best, self.reason) = (process, parts[1], parts[2], reason)
    rejected = parts[4].split(separator: ",").map(String.init)
  }

  var text: String { "\(process):\(core):\(best):\(reason.rawValue):\(rejected.joined(separator: ","))" }

  /// This process's.
  static let own: StartNote? = ProcessInfo.processInfo.environment[variable].flatMap { StartNote($0) }.flatMap {
    $0.process == getpid() ? $0 : nil
  }

  /// What `OPENBLAS_CORETYPE` holds, unless this program has set it, here or in the process that started this one.
  static let requested: String? = requested(in: ProcessInfo.processInfo.environment)

  static func requested(in environment: [String: String]) -> String? {
    guard let core = environment[coreVariable], !core.isEmpty else { return nil }
    return environment[variable].flatMap { StartNote($0) }?.core == core ? nil : core
  }

  /// Replaces this process with a new start of the same program. - Throws: `FileError` when the system refuses.
  func restart() throws(FileError) {
    setenv(Self.coreVariable, core, 1)
    setenv(Self.variable, text, 1)
    // Every product is computed on the thread that asks for it.
    setenv(Self.threadsVariable, "1", 0)
    try Self.startAgain()
  }

  private static let threadsVariable = "OPENBLAS_NUM_THREADS"

  /// Replaces this process where OpenBLAS may have threads of its own.
  static func restartWithOneThread() throws(FileError) {
    guard ProcessInfo.processInfo.environment[threadsVariable] != "1" else { return }
    setenv(threadsVariable, "1", 1)
    try startAgain()
  }

  private static func startAgain() throws(FileError) {
    // By its own path, so that the process keeps its name; the link serves where the file was replaced meanwhile.
    let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    // A signal that requests a stop waits for the handlers of the new start.
    lockstep_before_exec()
    execv(path, CommandLine.unsafeArgv)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
    let reason = systemReason()
    lockstep_after_failed_exec()
    throw FileError("start", "/proc/self/exe", reason: reason, remedy: "Is /proc mounted?")
  }
}
