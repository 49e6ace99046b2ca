import Collectives
@testable import Diagnostics
import Testing

/// What a report says of findings, on one rank.
struct ReportTests {
  private func job() throws -> DoctorJob {
    try DoctorJob(.init(configuration: nil, runs: "runs", threads: 1), SingleRank(), InterfaceRule.current())
  }

  @Test func aProblemBreaksTheJobAndAWarningDoesNot() throws {
    var report = DoctorReport()
    try report.add([.ok("CPU", "fast"), .warning("memory", "is tight.", remedy: "Add some.")], try job())
    #expect(!report.isBroken)
    #expect(report.text.hasSuffix("fit to train, 1 note"))
    try report.add([.problem("clocks", "differ.", remedy: "Set them.")], try job())
    #expect(report.isBroken)
    #expect(report.text.hasSuffix("not fit to train: 1 problem, 1 note"))
  }

  @Test func everyFindingIsALineWithItsRemedy() throws {
    var report = DoctorReport()
    try report.add([.ok("CPU", "fast"), .problem("clocks", "differ.", remedy: "Set them.")], try job())
    let lines = report.text.split(separator: "\n").map(String.init)
    #expect(lines.count == 4)
    #expect(lines[0] == "ok      CPU            fast")
    #expect(lines[1] == "PROBLEM clocks         differ.")
    #expect(lines[2] == "                       → Set them.")
  }

  /// The addresses that Open MPI takes by its rules.
  @Test func interfacesAreTakenByTheRule() {
    let lo = NetworkInterface(name: "lo", address: 0x7F00_0001, prefix: 8)
    let eth = NetworkInterface(name: "eth0", address: 0xC0A8_0105, prefix: 24)
    let usual = InterfaceRule(include: [], exclude: ["127.0.0.1/8", "sppp"])
    #expect(!usual.takes(lo) && usual.takes(eth))
    let named = InterfaceRule(include: ["eth0"], exclude: [])
    #expect(named.takes(eth) && !named.takes(lo))
    let subnet = InterfaceRule(include: ["192.168.1.0/24"], exclude: [])
    #expect(subnet.takes(eth) && !subnet.takes(lo))
  }
}
