import ArgumentParser
import Collectives
import Core
import Foundation
import Kernels
import Training

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says whether this machine, or this job under mpirun, is fit to train, and what to do where it is not.",
    discussion: "Example: launch/run --command doctor --hostfile hostfiles/example-cluster")

  @Option(help: "A folder runs will be written to.") var runs = "runs"
  @Flag(help: "JSON instead of lines.") var json = false

  struct Finding: Codable {
    enum Level: String, Codable { case ok, warning, problem }
    var level: Level
    var subject: String
    var text: String
    var remedy: String?
  }

  func run() throws {
    try Job.run { communicator in
      var findings = [cpu(), blas(), memory(), sharedMemory(), folder()] + binding(communicator)
      findings += try ranks(communicator)
      let broken = try communicator.maximum(findings.contains { $0.level == .problem } ? 1 : 0)
      // Each rank's own troubles are told by it; what is well is told once.
      if communicator.rank == 0 {
        if json { print(try prettyJSON(findings)) } else { findings.forEach(show) }
      } else {
        let host = ProcessInfo.processInfo.hostName
        for finding in findings where finding.level == .problem {
          FileHandle.standardError.write(Data("[rank \(communicator.rank) on \(host)] \(finding.subject): \(finding.text) \(finding.remedy ?? "")\n".utf8))
        }
      }
      if broken > 0 { throw Failure.Reported(code: .usage) }
    }
  }

  private func show(_ finding: Finding) {
    let mark = finding.level == .ok ? "ok     " : finding.level == .warning ? "note   " : "PROBLEM"
    print("\(mark) \(finding.subject.padding(toLength: 14, withPad: " ", startingAt: 0)) \(finding.text)")
    if let remedy = finding.remedy { print("                       → \(remedy)") }
  }

  private var cpuFlags: Set<String> {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") } ?? ""
    return Set(line.split(separator: " ").map(String.init))
  }

  private func cpu() -> Finding {
    #if arch(x86_64)
      let missing = ["avx2", "fma", "bmi2"].filter { !cpuFlags.contains($0) }
      if !missing.isEmpty {
        return Finding(
          level: .problem, subject: "CPU", text: "lacks \(missing.joined(separator: ", ")), which this build uses.",
          remedy: "Build on this machine with another -march in Package.swift.")
      }
    #endif
    return Finding(level: .ok, subject: "CPU", text: "has the instructions this build uses")
  }

  private func blas() -> Finding {
    let identity = BLAS.identity
    if cpuFlags.contains("avx512f"), ["Haswell", "Zen", "Sandybridge", "Nehalem", "Prescott"].contains(identity.coreName) {
      let pinned = ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"]
      let reason = pinned.map { "OPENBLAS_CORETYPE pins OpenBLAS to \($0): it" } ?? "OpenBLAS does not know this CPU and"
      return Finding(
        level: .warning, subject: "BLAS", text: "\(reason) uses its \(identity.coreName) kernels, though the CPU has AVX-512.",
        remedy: "Try launch/run --core SkylakeX and compare lockstep benchmark step; a run must stay with the kernels it began with.")
    }
    return Finding(level: .ok, subject: "BLAS", text: "\(identity.configuration), kernels \(identity.coreName)")
  }

  private func memory() -> Finding {
    let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    let kilobytes = text.split(separator: "\n").first { $0.hasPrefix("MemAvailable") }?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    let gigabytes = Double(kilobytes) / 1e6
    return Finding(
      level: gigabytes < 1 ? .warning : .ok, subject: "memory", text: String(format: "%.1f GB available", gigabytes),
      remedy: gigabytes < 1 ? "lockstep train CONFIG --dry-run says what a run needs." : nil)
  }

  private func sharedMemory() -> Finding {
    var info = statvfs()
    guard statvfs("/dev/shm", &info) == 0 else {
      return Finding(level: .warning, subject: "/dev/shm", text: "is missing; Open MPI then moves data between ranks of a host by slower means.")
    }
    let megabytes = Int(info.f_bavail) * Int(info.f_frsize) / 1_000_000
    return Finding(
      level: megabytes < 64 ? .problem : .ok, subject: "/dev/shm", text: "\(megabytes) MB free",
      remedy: megabytes < 64 ? "Give the container more: docker run --shm-size=1g." : nil)
  }

  private func folder() -> Finding {
    do {
      try FileManager.default.createDirectory(atPath: runs, withIntermediateDirectories: true)
      let probe = "\(runs)/.doctor-\(getpid())"
      try Data("x".utf8).write(to: URL(fileURLWithPath: probe))
      try FileManager.default.removeItem(atPath: probe)
      let free = try FileManager.default.attributesOfFileSystem(forPath: runs)[.systemFreeSize] as? NSNumber
      let gigabytes = (free?.doubleValue ?? 0) / 1e9
      return Finding(
        level: gigabytes < 1 ? .warning : .ok, subject: "run folder", text: String(format: "%@ can be written, %.1f GB free", runs, gigabytes))
    } catch {
      return Finding(
        level: .problem, subject: "run folder", text: "\(runs) cannot be written: \(error.localizedDescription)",
        remedy: "Set machine.runs to a folder you may write to.")
    }
  }

  private func binding(_ communicator: any Communicator) -> [Finding] {
    let (allowed, all) = (Job.allowedProcessors(), ProcessInfo.processInfo.processorCount)
    var findings: [Finding] = []
    if allowed == 1, all > 1, communicator.localSize < all {
      findings.append(
        Finding(
          level: .warning, subject: "binding", text: "this rank may use 1 of \(all) CPUs, and there are \(communicator.localSize) ranks on this host.",
          remedy: "Give ranks more cores: --bind-to none, or --map-by socket:PE=n."))
    } else {
      findings.append(
        Finding(level: .ok, subject: "binding", text: "\(allowed) of \(all) CPUs, \(communicator.localSize) ranks on this host"))
    }
    if communicator.localSize > all {
      findings.append(
        Finding(
          level: .warning, subject: "oversubscribed", text: "\(communicator.localSize) ranks share \(all) CPUs.",
          remedy: "Fine for tests of equal bits; for speed use one rank a socket."))
    }
    return findings
  }

  private func ranks(_ communicator: any Communicator) throws -> [Finding] {
    var findings = [Finding(level: .ok, subject: "MPI", text: "\(MPICommunicator.libraryVersion), \(communicator.size) ranks")]
    do {
      try Arithmetic.current().requireEqual(over: communicator)
      findings.append(Finding(level: .ok, subject: "arithmetic", text: "all ranks compute the same bits"))
    } catch let error as DivergenceError {
      findings.append(Finding(level: .problem, subject: "arithmetic", text: error.description))
    }
    try communicator.barrier()
    let clocks = try communicator.gatherAll(withUnsafeBytes(of: Date().timeIntervalSince1970) { Array($0) })
    let times = clocks.map { bytes in bytes.withUnsafeBytes { $0.loadUnaligned(as: Double.self) } }
    let spread = (times.max() ?? 0) - (times.min() ?? 0)
    findings.append(
      Finding(
        level: spread > 5 ? .warning : .ok, subject: "clocks", text: String(format: "%.1f s apart at most", spread),
        remedy: spread > 5 ? "Start an NTP client on all hosts; logs are in rank 0's time." : nil))
    return findings
  }
}
