import Collectives
import Core
import Foundation

/// Whether the hosts reach each other at every address MPI would use.
///
/// Open MPI connects over all interfaces that are up. One that exists on every host but joins none, such as a container
/// bridge, makes it wait for ever; so each host is called at each of its addresses by its neighbours in the list of
/// hosts.
struct NetworkCheck: DoctorCheck {
  private struct Endpoint: Codable {
    var host: String
    var port: UInt16
    var interfaces: [NetworkInterface]
  }

  /// Neighbours each host calls; all pairs of many hosts would take too long.
  private static let neighbours = 3

  func findings(_ job: DoctorJob) throws -> [Finding] {
    guard job.hostCount > 1 else { return [] }
    let listener = job.isHostLeader ? Listener(reply: job.place.host) : nil
    defer { listener?.stop() }
    let mine =
      listener.map {
        [Endpoint(host: job.place.host, port: $0.port, interfaces: NetworkInterface.usable(job.interfaces))]
      } ?? []
    let hosts = try job.gather(mine).flatMap { $0 }
    var findings: [Finding] = []
    if let own = hosts.firstIndex(where: { $0.host == job.place.host }), listener != nil {
      for offset in 1...min(Self.neighbours, hosts.count - 1) {
        findings += call(hosts[(own + offset) % hosts.count], from: job.place.host, remedy(hosts))
      }
    }
    if job.isHostLeader, mine.allSatisfy(\.interfaces.isEmpty) {
      findings.append(
        .problem(
          "network", "no interface is up that MPI may use.",
          remedy: "Look at ip address, and at --mca btl_tcp_if_include."))
    }
    // Nobody stops listening before all have called.
    try job.communicator.barrier()
    guard findings.isEmpty, job.place.rank == 0 else { return findings }
    let names = hosts[0].interfaces.map { "\($0.name) \($0.text)" }.joined(separator: ", ")
    return [.ok("network", "every host answers at all its addresses; here \(names)")]
  }

  private func call(_ other: Endpoint, from host: String, _ remedy: String) -> [Finding] {
    other.interfaces.compactMap { interface in
      let place = "\(interface.text) (\(interface.name))"
      switch Listener.call(interface.address, port: other.port, milliseconds: 1500) {
      case other.host?: return nil
      case let reply?:
        return .problem(
          "network",
          "\(place) is an address of \(other.host), but \(host) reaches \(reply == host ? "itself" : reply) there.",
          remedy: remedy, of: .job)
      case nil:
        return .problem("network", "\(other.host) does not answer \(host) at \(place).", remedy: remedy, of: .job)
      }
    }
  }

  /// Names a subnet that every host has, with an address of its own.
  private func remedy(_ hosts: [Endpoint]) -> String {
    let common = hosts[0].interfaces.filter { candidate in
      let addresses = hosts.compactMap { host in host.interfaces.first { $0.subnet == candidate.subnet }?.address }
      return addresses.count == hosts.count && Set(addresses).count == addresses.count
    }
    let subnet = common.first?.subnet ?? "SUBNET, that of the network which joins the hosts"
    return
      "--mca btl_tcp_if_include \(subnet) --mca oob_tcp_if_include \(subnet), for launch/run or mpirun; a firewall must pass any port there."
  }
}
