import ArgumentParser
import Collectives
import Core
import Diagnostics
import Foundation
import Kernels
import Machine
import Runs
import Storage

struct Doctor: ComputingCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reports whether this machine, or this job under mpirun, can train, and what to do where it cannot.",
    discussion: """
      Ends with exit code 2 when something would stop a run, hang it, change its bits or slow it down. With a configuration it also \
      compares the corpus over hosts and checks the memory, the disk and the threads that the run would need.

      Example: launch/run --command "doctor configs/quickstart.toml" --hostfile hostfiles/example-cluster
      """)

  @Argument(help: "The configuration of a run, which is then examined as well.") var config: String?
  @Option(
    name: .customLong("set"), parsing: .unconditionalSingleValue,
    help: "Overrides a key of the configuration. May be repeated.") var settings: [String] = []
  @Option(parsing: .unconditional, help: "A folder runs will be written to, where no configuration names one.")
  var runs = "runs"
  @Option(parsing: .unconditional, help: "Computing threads per rank, as given to train.") var threads: Int?
  @Option(parsing: .unconditional, help: "Seconds to wait for ranks that cannot communicate.") var patience = 60
  @Flag(help: "JSON instead of lines.") var json = false
  @Flag(help: "Only print the OpenBLAS kernels that are used on this host, in one word.") var core = false
  @Flag(
    help:
      "Only print this host's name and the OpenBLAS kernels it can use, best first; only those of the run where it resumes."
  ) var cores = false

  var hearsOfKernels: Bool { false }
  var continuedRun: (core: String, folder: String)? {
    config.flatMap { Commands.continuedRun(of: $0, settings: settings) }
  }

  func run() throws {
    guard patience > 0 else {
      throw ConfigurationError("--patience", is: patience, rule: "it must be at least 1 second.")
    }
    guard config != nil || settings.isEmpty else {
      throw ConfigurationError("--set", "changes a key of a configuration; name the configuration too.")
    }
    if core { return try StandardOutput.line(ComputeKernel.current.core) }
    if cores {
      let usable =
        ComputeKernel.current.reason == .run || continuedRun != nil
        ? [ComputeKernel.current.core] : ComputeKernel.usable()
      return try StandardOutput.line("\(DoctorJob.hostName()): \(usable.joined(separator: " "))")
    }
    let rule = InterfaceRule.current()
    InterfaceRule.keepToTheNetworkOfMpirun(rule)
    let deadline = DoctorDeadline(seconds: patience, rule)
    try Job.run(.nothing) { communicator in
      let job = try DoctorJob(
        .init(configuration: config, settings: settings, runs: runs, threads: threads), communicator, rule)
      deadline.met()
      let report = try DoctorReport(of: job)
      let broken = try communicator.maximum(report.isBroken ? 1 : 0)
      if communicator.rank == 0 { try StandardOutput.line(json ? try prettyJSON(report.findings) : report.text) }
      if broken > 0 { throw Failure.Reported(code: .usage) }
    }
  }
}
