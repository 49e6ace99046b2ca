/// The control groups a process is in, whose limits bind it: its own and all above it, of version 1 and 2.
///
/// Reads through `read`, so that recorded files can stand for a system's.
struct ControlGroups {
  let read: (String) -> String?

  /// Bytes that a group leaves, and its folder.
  struct Memory: Equatable {
    var available: Int
    var limit: Int
    var folder: String
  }

  /// The tightest limit of memory; nil where none binds.
  var memory: Memory? {
    let unified = folders("").compactMap {
      memory($0, limit: "memory.max", usage: "memory.current", cache: ["inactive_file", "active_file"])
    }
    let old = folders("memory").compactMap {
      memory(
        $0, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
        cache: ["total_inactive_file", "total_active_file"])
    }
    return (unified + old).min { $0.available < $1.available }
  }

  /// CPUs that the tightest quota allows at once; nil where none binds.
  var processors: Double? {
    let unified = folders("").compactMap { folder -> Double? in
      let parts = numbers(folder + "/cpu.max")
      return parts.count == 2 && parts[0] > 0 && parts[1] > 0 ? Double(parts[0]) / Double(parts[1]) : nil
    }
    let old = folders("cpu").compactMap { folder -> Double? in
      guard let quota = numbers(folder + "/cpu.cfs_quota_us").first,
        let period = numbers(folder + "/cpu.cfs_period_us").first
      else { return nil }
      return quota > 0 && period > 0 ? Double(quota) / Double(period) : nil
    }
    return (unified + old).min()
  }

  // MARK: - Folders

  /// The folders of the process's group of a controller and of all groups above it, as they are mounted; "" for version
  /// 2.
  func folders(_ controller: String) -> [String] {
    guard let group = path(controller), let mount = mount(controller) else { return [] }
    // In a container the hierarchy may be mounted from the container's own group on.
    var inside = group
    if mount.root != "/" {
      if group == mount.root {
        inside = "/"
      } else if group.hasPrefix(mount.root + "/") {
        inside = String(group.dropFirst(mount.root.count))
      }
    }
    var parts = inside.split(separator: "/").filter { $0 != ".." }
    var folders: [String] = []
    while !parts.isEmpty {
      folders.append(mount.point + "/" + parts.joined(separator: "/"))
      parts.removeLast()
    }
    return folders + [mount.point]
  }

  /// The process's group, from `/proc/self/cgroup`: lines `ID:CONTROLLERS:PATH`.
  private func path(_ controller: String) -> String? {
    for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      if parts[1].split(separator: ",").contains(Substring(controller))
        || (controller.isEmpty && parts[0] == "0" && parts[1].isEmpty)
      {
        return String(parts[2])
      }
    }
    return nil
  }

  /// Where a hierarchy is mounted and from which group on, from `/proc/self/mountinfo`.
  private func mount(_ controller: String) -> (point: String, root: String)? {
    for line in (read("/proc/self/mountinfo") ?? "").split(separator: "\n") {
      let fields = line.split(separator: " ").map(String.init)
      guard fields.count > 6, let dash = fields.firstIndex(of: "-"), dash + 3 < fields.count else { continue }
      let (kind, options) = (fields[dash + 1], fields[dash + 3].split(separator: ","))
      let fits = controller.isEmpty ? kind == "cgroup2" : kind == "cgroup" && options.contains(Substring(controller))
      if fits { return (unescaped(fields[4]), unescaped(fields[3])) }
    }
    return nil
  }

  /// The kernel writes a blank in a path as `\040`.
  private func unescaped(_ path: String) -> String { path.replacing("\\040", with: " ") }

  // MARK: - Files

  private func memory(_ folder: String, limit: String, usage: String, cache: [String]) -> Memory? {
    // Without a limit version 2 says `max`, and version 1 the largest number of whole pages.
    guard let most = numbers(folder + "/" + limit).first, most < 1 << 60, let used = numbers(folder + "/" + usage).first
    else { return nil }
    var reclaimable = 0
    for line in (read(folder + "/memory.stat") ?? "").split(separator: "\n") {
      let parts = line.split(separator: " ")
      if parts.count == 2, cache.contains(String(parts[0])), let bytes = Int(parts[1]) { reclaimable += bytes }
    }
    return Memory(available: max(0, most - max(0, used - reclaimable)), limit: most, folder: folder)
  }

  private func numbers(_ path: String) -> [Int] {
    (read(path) ?? "").split { $0 == " " || $0 == "\n" }.map { Int($0) ?? -1 }.filter { $0 >= 0 }
  }
}
