import Foundation
import Storage

/// What this process may use of its host: of its memory, its address space and its CPUs.
public struct HostLimits: Sendable, Equatable {
  /// Bytes of memory that can still be taken on this host; nil where the system does not say.
  public var availableBytes: Int?
  /// What leaves no more, for a sentence: the host's memory, or a control group.
  public var memoryOwner = "this host"
  /// Bytes of address space that this process can still take; nil where there is no limit.
  public var addressBytes: Int?
  /// The limit of address space, as `ulimit` names it.
  public var addressLimit = ""
  /// CPUs in the process's affinity mask; nil where the system does not say.
  public var allowedProcessors: Int?
  /// CPUs that a control group's quota allows at once; nil where there is none.
  public var quota: Double?

  /// Of this process, now.
  public static var current: HostLimits { HostLimits(read: { SystemText.read($0) }, limit: Self.limit) }

  /// - Parameters:
  ///   - read: a file of the system; nil where there is none.
  ///   - limit: the soft limit of a resource.
  init(read: (String) -> String?, limit: (Resource) -> UInt64) {
    withoutActuallyEscaping(read) { read in
      let groups = ControlGroups(read: read)
      availableBytes = Self.value("MemAvailable", in: read("/proc/meminfo"), unit: 1024)
      if let group = groups.memory, group.available < availableBytes ?? .max {
        availableBytes = group.available
        memoryOwner = "the control group \(group.folder), which is limited to \(group.limit / 1_000_000) MB"
      }
      quota = groups.processors
      let status = read("/proc/self/status")
      for (resource, name, used) in [(Resource.addressSpace, "ulimit -v", "VmSize"), (.data, "ulimit -d", "VmData")] {
        let most = limit(resource)
        guard most < 1 << 60 else { continue }
        let left = max(0, Int(most) - (Self.value(used, in: status, unit: 1024) ?? 0))
        if left < addressBytes ?? .max { (addressBytes, addressLimit) = (left, name) }
      }
      allowedProcessors = Self.text("Cpus_allowed_list", in: status).map(Self.count(list:))
    }
  }

  enum Resource { case addressSpace, data }

  private static func limit(_ resource: Resource) -> UInt64 {
    var limit = rlimit()
    let number = resource == .addressSpace ? RLIMIT_AS : RLIMIT_DATA
    return getrlimit(Int32(bitPattern: number.rawValue), &limit) == 0 ? UInt64(limit.rlim_cur) : .max
  }

  /// The value behind `KEY:` on a line of its own.
  private static func text(_ key: String, in text: String?) -> String? {
    let line = text?.split(separator: "\n").first { $0.hasPrefix(key + ":") }
    return line.map { $0.dropFirst(key.count + 1).trimmingCharacters(in: .whitespaces) }
  }

  private static func value(_ key: String, in text: String?, unit: Int) -> Int? {
    Self.text(key, in: text)?.split(separator: " ").first.flatMap { Int($0) }.map { $0 * unit }
  }

  /// CPUs of a list such as `0-3,8`.
  static func count(list: String) -> Int {
    let counts = list.split(separator: ",").map { part -> Int in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      return ends.count == 2 ? max(0, ends[1] - ends[0] + 1) : ends.count
    }
    return max(1, counts.reduce(0, +))
  }

  // MARK: - What follows from them

  /// Computing threads for a rank that are neither more than its CPUs nor more than its share of a quota.
  ///
  /// - Parameters:
  ///   - ranks: on this host; they share what they are not bound to apart.
  ///   - all: CPUs of the host.
  public func threads(ranks: Int, all: Int) -> Int {
    let allowed = allowedProcessors ?? all
    let own = allowed >= all && ranks > 1 ? allowed / ranks : allowed
    // Threads beyond a quota are stopped for the rest of each period, and the others wait for them.
    let share = quota.map { Int(($0 / Double(ranks)).rounded(.down)) } ?? own
    return max(1, min(own, share))
  }

  /// What to do where the system refused memory.
  public var refusal: String {
    if let left = addressBytes {
      return
        "\(addressLimit) leaves this process \(left >> 20) MB: raise it (\(addressLimit) unlimited), or ask the scheduler for more."
    }
    return "Free memory on this host, or see vm.overcommit_memory."
  }
}
