import Collectives
import Core
import Foundation
import Kernels

/// The ranks of a command: starts MPI, runs the body, and makes sure that an error on any rank ends every rank.
public enum Job {
  /// What of a command's line must be the same on every rank.
  public enum SameLine {
    case all
    /// The command compares what `--set` comes to by itself.
    case withoutSettings
    /// The command says how ranks differ.
    case nothing
  }

  public static func run(_ same: SameLine = .all, _ body: (MPICommunicator) throws -> Void) throws {
    let tasks = tasksOfSlurm()
    try refuseSingletons(tasks)
    let communicator = try MPICommunicator()
    do {
      if communicator.size == 1 { try refuse(tasks) }
      try requireSameLine(same, communicator)
      try body(communicator)
    } catch let error as Failure.Reported {
      // Every rank is here: leave together.
      try communicator.stop()
      throw error
    } catch {
      guard communicator.size > 1 else {
        try communicator.stop()
        throw error
      }
      // The lowest rank reports first; when all have the same error, the job is over before the others do.
      if communicator.rank > 0 { Thread.sleep(forTimeInterval: 0.5 + 0.1 * Double(min(communicator.rank, 20))) }
      Failure.report(error, prefix: prefix(communicator))
      communicator.abort(Core.ExitCode(rawValue: Failure.code(of: error)) ?? .failed)
    }
    try communicator.stop()
  }

  private static func requireSameLine(_ same: SameLine, _ communicator: any Communicator) throws {
    guard same != .nothing else { return }
    // Hosts may have different numbers of processors, and no bit depends on threads.
    let ignored: Set<String> = same == .withoutSettings ? ["--threads", "--set"] : ["--threads"]
    let line = RankSettings(commandLine: CommandLine.arguments.dropFirst(), ignoring: ignored)
    try requireEqual(RankSettings([("the version of lockstep", Version.number)] + line.values), communicator)
  }

  /// Refuses a job whose ranks were given different settings; all ranks leave together.
  public static func requireEqual(_ settings: RankSettings, _ communicator: any Communicator) throws {
    do { try settings.requireEqual(over: communicator) } catch let error as ConfigurationError {
      if communicator.rank == 0 { Failure.report(error) }
      throw Failure.Reported(code: .usage)
    }
  }

  private static func prefix(_ communicator: MPICommunicator) -> String {
    communicator.rank == 0 ? "" : "[rank \(communicator.rank) on \(ProcessInfo.processInfo.hostName)] "
  }

  /// Runs a part that needs no other rank on all of them. When it fails anywhere, the lowest failing rank says why and
  /// all ranks leave together.
  public static func collectively<Value>(_ communicator: any Communicator, _ body: () throws -> Value) throws -> Value {
    let result = Result { try body() }
    guard communicator.size > 1 else { return try result.get() }
    var failing = [Int64(communicator.size)]
    if case .failure = result { failing = [Int64(communicator.rank)] }
    try communicator.allReduce(&failing, .minimum)
    let lowest = Int(failing[0])
    guard lowest < communicator.size else { return try result.get() }
    var code = Int64(0)
    if case .failure(let error) = result {
      code = Int64(Failure.code(of: error))
      if communicator.rank == lowest {
        Failure.report(error, prefix: lowest == 0 ? "" : "[rank \(lowest) on \(ProcessInfo.processInfo.hostName)] ")
      }
    }
    var codes = [code]
    try communicator.broadcastArray(&codes, from: lowest)
    throw Failure.Reported(code: Core.ExitCode(rawValue: Int32(codes[0])) ?? .failed)
  }

  /// Tasks of this `srun` where there are several and mpirun did not start this one.
  ///
  /// Checked before MPI starts: a process without others sets the variables of a job for itself.
  private static func tasksOfSlurm() -> Int {
    let environment = ProcessInfo.processInfo.environment
    guard environment["OMPI_COMM_WORLD_SIZE"] == nil, environment["SLURM_STEP_ID"] != nil,
      environment["SLURM_PROCID"] != nil
    else { return 1 }
    return (environment["SLURM_STEP_NUM_TASKS"] ?? environment["SLURM_NTASKS"]).flatMap { Int($0) } ?? 1
  }

  /// Under `srun` without PMIx every task starts as a job of its own, and all would write the same folder. With
  /// `--mpi=pmi2` that shows after MPI has started: only an Open MPI that was built for it joins the tasks.
  private static func refuseSingletons(_ tasks: Int) throws {
    let environment = ProcessInfo.processInfo.environment
    if environment["PMIX_RANK"] == nil, environment["PMI_RANK"] == nil { try refuse(tasks) }
  }

  private static func refuse(_ tasks: Int) throws {
    guard tasks > 1 else { return }
    guard ProcessInfo.processInfo.environment["SLURM_PROCID"] == "0" else { throw Failure.Reported(code: .usage) }
    throw ConfigurationError(
      "srun",
      "started \(tasks) tasks that do not know of each other. Use srun --mpi=pmix, or mpirun inside the allocation (launch/slurm.sbatch does)."
    )
  }
}
