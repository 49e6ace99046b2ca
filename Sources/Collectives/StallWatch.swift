import CMPIShim
import Core
import Foundation
import Tensors

/// Finds out which rank keeps the others waiting. MPI does not report it: a stopped process, a dead link or a hung disk
/// looks like a slow one for ever.
///
/// A rank that has waited for a while reports the number of its wait to all others, and answers reports as soon as it
/// sees them. Who has not reported that number when the limit has passed did not arrive.
final class StallWatch {
  private let rank: Int
  private let size: Int
  /// `rank 2 (process 4711) on node3`, by rank.
  private let names: [String]
  private let processes: [Int32]
  private let hosts: [String]
  /// The highest wait each rank has reported.
  private var reported: [Int]
  private var sent: [Report] = []

  /// Seconds between two looks from which on this process itself must have stood still.
  static let pause = 5.0

  /// A report on its way, and the memory it is sent from.
  private final class Report {
    let memory: UnsafeMutablePointer<Int64>
    let request: OpaquePointer

    init(_ memory: UnsafeMutablePointer<Int64>, _ request: OpaquePointer) {
      (self.memory, self.request) = (memory, request)
    }
    deinit { memory.deallocate() }
  }

  /// Collective.
  init(_ communicator: MPICommunicator) throws(CollectiveError) {
    (rank, size) = (communicator.rank, communicator.size)
    let mine = "\(getpid()) \(ProcessInfo.processInfo.hostName)"
    let bytes = Array(mine.utf8.prefix(96))
    let all = try communicator.allGather(bytes + [UInt8](repeating: 0x20, count: 96 - bytes.count))
    let words = all.map { String(decoding: $0, as: UTF8.self).split(separator: " ").map(String.init) }
    processes = words.map { Int32($0.first ?? "") ?? 0 }
    hosts = words.map { $0.count > 1 ? $0[1] : "an unnamed host" }
    names = (0..<size).map { "rank \($0)" }
    reported = [Int](repeating: 0, count: size)
  }

  /// Called now and then by a rank that waits.
  func look(_ wait: inout Wait, limit: Double, from communicator: MPICommunicator) throws(CollectiveError) {
    let now = ContinuousClock.now
    // A job that was paused as a whole, by a scheduler or a closed laptop, has not waited meanwhile.
    let gap = now - wait.lastLook
    if gap.inSeconds > Self.pause { wait.started += gap }
    wait.lastLook = now
    let waited = (now - wait.started).inSeconds
    guard waited > min(1, limit / 4) else { return }
    try receive(communicator)
    let othersWait = reported.contains { $0 >= wait.number }
    if !wait.hasReported, othersWait || waited > limit / 2 {
      try report(wait.number, communicator)
      wait.hasReported = true
    }
    guard waited > limit else { return }
    let late = (0..<size).filter { $0 != rank && reported[$0] < wait.number }
    let lowest = (0..<size).first { $0 == rank || !late.contains($0) } ?? rank
    // One rank isRoot: the lowest that is here, and the next ones only if it does not.
    guard rank == lowest || waited > limit + 1 + 0.2 * Double(rank) else { return }
    throw CollectiveError(
      "waiting in \(communicator.phase)", rank: rank, reason: sentence(late, waited), exitCode: .stalled)
  }

  private func sentence(_ late: [Int], _ waited: Double) -> String {
    let seconds = String(format: "%.0f s", waited)
    guard !late.isEmpty else {
      return
        "every rank is waiting and nothing has arrived for \(seconds): a connection between hosts is lost. Look at the network, then start the job again."
    }
    let list = late.prefix(4).map { "\(names[$0]) on \(hosts[$0])\(processState(of: $0))" }.joined(separator: ", ")
    let more = late.count > 4 ? " and \(late.count - 4) more ranks" : ""
    return
      "\(list)\(more) did not arrive for \(seconds): stalled before this point, or out of reach. Look at that host, then start the job again; machine.stall_seconds is the limit."
  }

  /// What the kernel says about a process of this host, such as that somebody stopped it.
  private func processState(of other: Int) -> String {
    guard hosts[other] == hosts[rank] else { return "" }
    let text = (try? String(contentsOfFile: "/proc/\(processes[other])/status", encoding: .utf8)) ?? ""
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("State:") }) else {
      return " (process \(processes[other]) is gone)"
    }
    let state = line.dropFirst(6).trimmingCharacters(in: .whitespaces)
    return " (process \(processes[other]), \(state))"
  }

  private func report(_ number: Int, _ communicator: MPICommunicator) throws(CollectiveError) {
    sent.removeAll { report in
      var done: Int32 = 0
      return lockstep_mpi_test(report.request, &done) != 0 || done != 0
    }
    for other in 0..<size where other != rank {
      let memory = UnsafeMutablePointer<Int64>.allocate(capacity: 1)
      memory.initialize(to: Int64(number))
      var request: OpaquePointer?
      let code = lockstep_mpi_start_report(communicator.world, memory, 1, Int32(other), &request)
      guard code == 0, let request else {
        memory.deallocate()
        try communicator.check(code, "a report to rank \(other)")
        continue
      }
      sent.append(Report(memory, request))
    }
  }

  private func receive(_ communicator: MPICommunicator) throws(CollectiveError) {
    while true {
      var (number, from): (Int64, Int32) = (0, -1)
      try communicator.check(lockstep_mpi_receive_report(communicator.world, &number, 1, &from), "a report")
      guard from >= 0 else { return }
      reported[Int(from)] = max(reported[Int(from)], Int(number))
    }
  }
}
