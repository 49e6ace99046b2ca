import Collectives
import Core
import Foundation
import Machine

/// One MPI library for all.
struct MPICheck: DoctorCheck {
  func findings(_ job: DoctorJob) throws -> [Finding] {
    let versions = try job.gather(MPICommunicator.libraryVersion)
    guard job.place.rank == 0 else { return [] }
    let others = versions.indices.filter { versions[$0] != versions[0] }
    guard let other = others.first else {
      return [
        .ok(
          "MPI",
          "\(versions[0]), \(counted(versions.count, "rank")) on \(job.hostCount) host\(job.hostCount > 1 ? "s" : "")")
      ]
    }
    return [
      .problem(
        "MPI", "\(job.hosts(others)) has \(versions[other]), and \(job.places[0].host) has \(versions[0]).",
        remedy: "Install one version of MPI on all hosts.", of: .job)
    ]
  }
}

/// The same bits on every rank: one build, one OpenBLAS, one kernel.
struct ArithmeticCheck: DoctorCheck {
  func findings(_ job: DoctorJob) throws -> [Finding] {
    let records = try job.gather(Arithmetic.current())
    guard job.place.rank == 0 else { return [] }
    var differences: [(text: String, ranks: [Int], kernels: Bool)] = []
    for (rank, record) in records.enumerated() {
      guard let text = record.difference(from: records[0]) else { continue }
      if let index = differences.firstIndex(where: { $0.text == text }) {
        differences[index].ranks.append(rank)
      } else {
        differences.append((text, [rank], record.core != records[0].core))
      }
    }
    guard !differences.isEmpty else { return [.ok("arithmetic", "all ranks compute the same bits")] }
    return differences.map { difference in
      .problem(
        "arithmetic", "\(job.names(difference.ranks)) and \(job.names([0])) compute other bits: \(difference.text).",
        remedy: difference.kernels
          ? "launch/run --core common pins the newest kernels that all hosts have."
          : "Copy the same build of lockstep to every host, over the same system packages.", of: .job)
    }
  }
}

/// CPUs for the threads of a rank.
struct BindingCheck: DoctorCheck {
  func findings(_ job: DoctorJob) -> [Finding] {
    let (allowed, all) = (
      HostLimits.current.allowedProcessors ?? ProcessInfo.processInfo.activeProcessorCount,
      ProcessInfo.processInfo.processorCount
    )
    let ranks = job.communicator.localSize
    if let quota = HostLimits.current.quota, Double(job.threads * ranks) > quota {
      return [
        .problem(
          "binding",
          String(
            format:
              "%d threads share %.1f CPUs, which is the quota of their control group: they are stopped for a part of each period.",
            job.threads * ranks, quota),
          remedy: "Fewer threads (--threads) or ranks, or a larger quota (docker run --cpus, CPUQuota of systemd).")
      ]
    }
    if job.threads > allowed, allowed < all {
      return [
        .problem(
          "binding",
          "\(counted(job.threads, "thread")) share \(allowed) of this host's \(all) CPUs, because mpirun bound the rank to \(allowed == 1 ? "one" : "them").",
          remedy: "launch/run, or mpirun --bind-to none, or --map-by socket:PE=\(job.threads).", of: .rank)
      ]
    }
    if allowed == 1, all > ranks {
      return [
        .warning(
          "binding",
          "the rank may use 1 of \(all) CPUs, and there are \(counted(ranks, "rank")) on this host: some stay idle.",
          remedy: "launch/run, or mpirun --bind-to none, or --map-by socket:PE=n.", of: .rank)
      ]
    }
    return [
      .ok(
        "binding",
        "\(allowed) of \(all) CPUs for \(ranks) rank\(ranks > 1 ? "s" : "") on this host, \(job.threads) thread\(job.threads > 1 ? "s" : "") per rank"
      )
    ]
  }
}

/// More workers than CPUs.
struct OversubscriptionCheck: DoctorCheck {
  func findings(_ job: DoctorJob) -> [Finding] {
    let (ranks, all) = (job.communicator.localSize, ProcessInfo.processInfo.processorCount)
    guard job.isHostLeader else { return [] }
    if ranks > all, !waitingRanksYield {
      return [
        .problem(
          "oversubscribed",
          "\(counted(ranks, "rank")) share \(all) CPUs, and each that waits keeps one busy: sums over ranks take many times longer.",
          remedy: "One rank a socket is best; or --mca mpi_yield_when_idle 1.")
      ]
    }
    if ranks * job.threads > all {
      return [
        .warning(
          "oversubscribed", "\(counted(ranks, "rank")) of \(counted(job.threads, "thread")) share \(all) CPUs.",
          remedy: "Fine for tests of equal bits; for speed use as many threads as CPUs.")
      ]
    }
    return []
  }

  private var waitingRanksYield: Bool {
    let environment = ProcessInfo.processInfo.environment
    return ["OMPI_MCA_mpi_yield_when_idle", "OMPI_MCA_mpi_oversubscribe"].contains { key in
      environment[key].map { ["1", "true", "yes", "enabled", "t", "y"].contains($0.lowercased()) } ?? false
    }
  }
}

/// One time on all hosts, or their logs cannot be read beside each other.
struct ClockCheck: DoctorCheck {
  /// Beyond what NTP leaves and what a rank may be late from a barrier.
  private static let toleratedSeconds = 5.0

  func findings(_ job: DoctorJob) throws -> [Finding] {
    try job.communicator.barrier()
    let times = try job.gather(Date().timeIntervalSince1970)
    guard job.place.rank == 0 else { return [] }
    // Against the median, so that the one that is wrong is named even where it is rank 0.
    let median = times.sorted()[(times.count - 1) / 2]
    let wrong = times.indices.filter { abs(times[$0] - median) > Self.toleratedSeconds }
    let spread = (times.max() ?? 0) - (times.min() ?? 0)
    guard !wrong.isEmpty else { return [.ok("clocks", String(format: "%.1f s apart at most", spread))] }
    return [
      .warning(
        "clocks", String(format: "that of %@ is %.0f s away from the others'.", job.names(wrong), spread),
        remedy: "Start an NTP client on all hosts; make and file servers trust times as well.", of: .job)
    ]
  }
}
