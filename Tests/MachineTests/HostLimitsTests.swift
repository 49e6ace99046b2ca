import Core
import Foundation
@testable import Machine
@testable import RunSupport
@testable import Runs
import Testing

/// Files as systems have them.
private struct System {
  var files: [String: String]
  var limits: [HostLimits.Resource: UInt64] = [:]

  var groups: ControlGroups { ControlGroups { files[$0] } }
  var host: HostLimits { HostLimits(read: { files[$0] }, limit: { limits[$0] ?? .max }) }

  /// A job of systemd under control groups of version 2.
  static let unified = System(files: [
    "/proc/self/cgroup": "0::/system.slice/jobs.slice/train.service\n",
    "/proc/self/mountinfo": """
    24 30 0:22 / /proc rw,nosuid shared:13 - proc proc rw
    35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
    """,
    "/sys/fs/cgroup/system.slice/jobs.slice/train.service/memory.max": "max\n",
    "/sys/fs/cgroup/system.slice/jobs.slice/train.service/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/system.slice/jobs.slice/memory.max": "4000000000\n",
    "/sys/fs/cgroup/system.slice/jobs.slice/memory.current": "1500000000\n",
    "/sys/fs/cgroup/system.slice/jobs.slice/memory.stat":
      "anon 900000000\ninactive_file 400000000\nactive_file 100000000\n",
    "/sys/fs/cgroup/system.slice/jobs.slice/cpu.max": "350000 100000\n",
    "/sys/fs/cgroup/system.slice/memory.max": "64000000000\n",
    "/sys/fs/cgroup/system.slice/memory.current": "2000000000\n",
    "/proc/meminfo": "MemTotal: 16000000 kB\nMemFree: 100 kB\nMemAvailable:    8000000 kB\n",
    "/proc/self/status":
      "Name:\tlockstep\nVmSize:\t  300000 kB\nVmData:\t  100000 kB\nCpus_allowed:\tff\nCpus_allowed_list:\t0-3,8,10-12\n",
  ])

  /// A container under version 1, whose own group is the root of what is mounted in it.
  static let container = System(files: [
    "/proc/self/cgroup":
      "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n",
    "/proc/self/mountinfo": """
    52 50 0:31 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct
    53 50 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
    """,
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "2147483648\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1000000000\n",
    "/sys/fs/cgroup/memory/memory.stat":
      "cache 1\ninactive_file 5\ntotal_inactive_file 200000000\ntotal_active_file 0\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "/proc/meminfo": "MemAvailable: 8000000 kB\n",
  ])
}

@Suite struct HostLimitsTests {
  @Test func limitsOfGroupsAboveBindAsWell() {
    let groups = System.unified.groups
    #expect(
      groups.memory
        == .init(available: 3_000_000_000, limit: 4_000_000_000, folder: "/sys/fs/cgroup/system.slice/jobs.slice"))
    #expect(groups.processors == 3.5)
    #expect(groups.folders("").count == 4 && groups.folders("").last == "/sys/fs/cgroup")
  }

  @Test func aContainersOwnGroupIsTheRootOfItsMount() {
    let groups = System.container.groups
    #expect(groups.memory == .init(available: 1_347_483_648, limit: 2_147_483_648, folder: "/sys/fs/cgroup/memory"))
    #expect(groups.processors == 1.5)
  }

  @Test func groupsOfVersion1AreNested() {
    var system = System.container
    system.files["/proc/self/cgroup"] = "4:memory:/jobs/one\n2:cpu:/\n"
    system.files["/proc/self/mountinfo"] = "53 50 0:32 / /cg\\040roup/memory rw - cgroup cgroup rw,memory\n"
    system.files["/cg roup/memory/jobs/one/memory.limit_in_bytes"] = "9223372036854771712\n"
    system.files["/cg roup/memory/jobs/one/memory.usage_in_bytes"] = "5\n"
    system.files["/cg roup/memory/jobs/memory.limit_in_bytes"] = "1000\n"
    system.files["/cg roup/memory/jobs/memory.usage_in_bytes"] = "1700\n"
    #expect(system.groups.memory == .init(available: 0, limit: 1000, folder: "/cg roup/memory/jobs"))
    #expect(system.groups.processors == nil)
  }

  @Test(arguments: ["", "0::/\n", "nonsense\n4:memory\n"]) func withoutGroupsNothingBinds(cgroup: String) {
    var system = System.unified
    system.files["/proc/self/cgroup"] = cgroup
    #expect(system.groups.memory == nil && system.groups.processors == nil)
    #expect(system.host.availableBytes == 8_192_000_000 && system.host.memoryOwner == "this host")
  }

  @Test func theTightestMemoryIsNamed() {
    let host = System.unified.host
    #expect(host.availableBytes == 3_000_000_000)
    #expect(host.memoryOwner == "the control group /sys/fs/cgroup/system.slice/jobs.slice, which is limited to 4000 MB")
  }

  @Test func limitsOfTheShellCountWhatIsTaken() {
    var system = System.unified
    #expect(system.host.addressBytes == nil)
    system.limits = [.addressSpace: 1_000_000_000]
    #expect(system.host.addressBytes == 692_800_000 && system.host.addressLimit == "ulimit -v")
    system.limits[.data] = 500_000_000
    #expect(system.host.addressBytes == 397_600_000 && system.host.addressLimit == "ulimit -d")
    system.limits = [.addressSpace: 1000]
    #expect(system.host.addressBytes == 0)
  }

  @Test func threadsFollowMaskRanksAndQuota() {
    var host = System.unified.host
    #expect(host.allowedProcessors == 8)
    #expect(host.threads(ranks: 1, all: 16) == 3, "a quota of 3.5")
    #expect(host.threads(ranks: 2, all: 16) == 1)
    #expect(host.threads(ranks: 8, all: 16) == 1)
    host.quota = nil
    #expect(host.threads(ranks: 2, all: 16) == 8, "bound apart")
    #expect(host.threads(ranks: 2, all: 8) == 4, "shared")
    host.allowedProcessors = nil
    #expect(host.threads(ranks: 1, all: 6) == 6)
  }

  @Test(arguments: [("0-3,8", 5), ("7", 1), ("", 1), ("0-127", 128), ("3-1", 1)]) func listsOfProcessors(
    list: String, count: Int
  ) {
    #expect(HostLimits.count(list: list) == count)
  }

  @Test func aRunThatDoesNotFitIsRefusedWithWhatBinds() throws {
    let fixture = try RunFixture()
    defer { fixture.remove() }
    let plan = try RunPlan(try fixture.configuration(), fixture.inputs, ranks: 2, threads: 3)
    var host = System.unified.host
    try plan.requireMemory(host, ranksHere: 2, savesHere: true)
    host.availableBytes = 100_000_000
    let memory = #expect(throws: ConfigurationError.self) {
      try plan.requireMemory(host, ranksHere: 2, savesHere: true)
    }
    #expect(
      memory?.description.contains("are available of the control group /sys/fs/cgroup/system.slice") == true,
      "\(memory.map { "\($0)" } ?? "")")
    host = System.unified.host
    (host.addressBytes, host.addressLimit) = (400_000_000, "ulimit -v")
    let address = #expect(throws: ConfigurationError.self) {
      try plan.requireMemory(host, ranksHere: 1, savesHere: false)
    }
    #expect(
      address?.description.contains(
        "with 3 threads (OpenBLAS alone takes 134 MB per thread), and ulimit -v leaves 0.4 GB") == true,
      "\(address.map { "\($0)" } ?? "")")
    host.addressBytes = 1_000_000_000
    try plan.requireMemory(host, ranksHere: 1, savesHere: false)
  }
}
