import Foundation

/// An IPv4 interface of this host that is up.
struct NetworkInterface: Codable, Equatable {
  var name: String
  /// In the host's byte order.
  var address: UInt32
  /// Bits of the network's part.
  var prefix: Int

  var mask: UInt32 { prefix == 0 ? 0 : ~UInt32(0) << UInt32(32 - prefix) }
  var network: UInt32 { address & mask }
  var text: String { Self.dotted(address) }
  /// Such as `10.0.0.0/24`.
  var subnet: String { "\(Self.dotted(network))/\(prefix)" }

  static func dotted(_ address: UInt32) -> String {
    (0..<4).map { String(address >> UInt32(24 - 8 * $0) & 255) }.joined(separator: ".")
  }

  /// The interfaces MPI may use by this rule.
  static func usable(_ rule: InterfaceRule) -> [NetworkInterface] { all().filter(rule.takes) }

  private static func all() -> [NetworkInterface] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var found: [NetworkInterface] = []
    for entry in sequence(first: first, next: { $0?.pointee.ifa_next }) {
      guard let entry = entry?.pointee, let address = entry.ifa_addr, let mask = entry.ifa_netmask,
        Int32(address.pointee.sa_family) == AF_INET, entry.ifa_flags & UInt32(IFF_UP) != 0
      else { continue }
      found.append(
        NetworkInterface(
          name: String(cString: entry.ifa_name), address: ipv4(address), prefix: ipv4(mask).nonzeroBitCount))
    }
    return found
  }

  private static func ipv4(_ address: UnsafeMutablePointer<sockaddr>) -> UInt32 {
    address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt32(bigEndian: $0.pointee.sin_addr.s_addr) }
  }
}

/// Which interfaces Open MPI's TCP transport uses: `btl_tcp_if_include`, or all but `btl_tcp_if_exclude`.
public struct InterfaceRule: Equatable, Sendable {
  var include: [String]
  var exclude: [String]

  /// From the environment, where mpirun puts `--mca`, and else from Open MPI's files of settings.
  public static func current() -> InterfaceRule {
    func list(_ key: String) -> [String]? {
      let environment = ProcessInfo.processInfo.environment
      let value =
        environment["OMPI_MCA_\(key)"] ?? setting(key, in: (environment["HOME"] ?? "") + "/.openmpi/mca-params.conf")
        ?? setting(key, in: "/etc/openmpi/openmpi-mca-params.conf")
      return value.map { $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }
    }
    return InterfaceRule(
      include: list("btl_tcp_if_include") ?? [], exclude: list("btl_tcp_if_exclude") ?? ["127.0.0.1/8", "sppp"])
  }

  /// Lets this process's MPI use only the networks that mpirun is reached through, unless a rule names others: over an
  /// interface that joins no hosts the job would end or hang before it could say so.
  public static func keepToTheNetworkOfMpirun(_ rule: InterfaceRule) {
    guard rule.include.isEmpty, let launcher = ProcessInfo.processInfo.environment["OMPI_MCA_orte_hnp_uri"] else {
      return
    }
    // `123.0;tcp://10.0.0.1,192.168.1.1:40000;tcp6://…`
    let addresses = launcher.split(separator: ";").filter { $0.hasPrefix("tcp://") }
      .flatMap { $0.dropFirst(6).prefix { $0 != ":" }.split(separator: ",").map(String.init) }
    let interfaces = NetworkInterface.usable(rule)
    // On mpirun's own host every interface is one of its addresses: then nothing is left out here, but by the others.
    let joined = interfaces.filter { interface in
      addresses.contains { $0 != interface.text && matches("\($0)/\(interface.prefix)", interface) }
    }
    if !joined.isEmpty { setenv("OMPI_MCA_btl_tcp_if_include", joined.map(\.subnet).joined(separator: ","), 1) }
  }

  private static func setting(_ key: String, in path: String) -> String? {
    let lines = ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
    return lines.lazy.map { $0.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) } }
      .first { $0.count == 2 && $0[0] == key }?[1]
  }

  func takes(_ interface: NetworkInterface) -> Bool {
    if !include.isEmpty { return include.contains { Self.matches($0, interface) } }
    return !exclude.contains { Self.matches($0, interface) }
  }

  /// A name, or a subnet such as `10.0.0.0/24`.
  private static func matches(_ word: String, _ interface: NetworkInterface) -> Bool {
    let parts = word.split(separator: "/")
    let numbers = (parts.first ?? "").split(separator: ".").compactMap { UInt32($0) }
    guard parts.count == 2, let prefix = Int(parts[1]), (0...32).contains(prefix), numbers.count == 4 else {
      return word == interface.name
    }
    let mask: UInt32 = prefix == 0 ? 0 : ~UInt32(0) << UInt32(32 - prefix)
    return interface.address & mask == numbers.reduce(0) { $0 << 8 | $1 & 255 } & mask
  }
}
