/// A CPU as `/proc/cpuinfo` describes it. The only reader of that text.
public struct CPU: Sendable, Equatable {
  public enum Architecture: String, Sendable { case x86_64, arm64 }

  public var architecture: Architecture
  /// As a person would call it.
  public var name: String
  /// `GenuineIntel`, `AuthenticAMD`, …; of an Arm CPU its implementer, such as `0x41`.
  public var vendor: String
  /// Of an x86 CPU; 0 elsewhere.
  public var family: Int
  /// Of an x86 CPU its model, of an Arm CPU its part number.
  public var model: Int
  /// Instruction sets and the like, as the Linux kernel names them: only what it lets programs use.
  public var features: Set<String>

  /// - Parameter text: what `/proc/cpuinfo` holds; the first processor counts.
  public init(cpuinfo text: some StringProtocol) {
    var values: [Substring: Substring] = [:]
    for line in Substring(text).split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let (key, value) = (trimmed(line[..<colon]), trimmed(line[line.index(after: colon)...]))
      if values[key] == nil { values[key] = value }
    }
    let isArm = values["CPU implementer"] != nil
    architecture = isArm ? .arm64 : values["vendor_id"] != nil ? .x86_64 : Self.native
    vendor = String(values[isArm ? "CPU implementer" : "vendor_id"] ?? "")
    family = values["cpu family"].flatMap { Int($0) } ?? 0
    model = isArm ? number(values["CPU part"]) : number(values["model"])
    name =
      values["model name"].map(String.init)
      ?? (isArm ? "Arm \(vendor) part \(values["CPU part"] ?? "unknown")" : "unknown")
    features = Set((values["flags"] ?? values["Features"] ?? "").split(separator: " ").map(String.init))
  }

  /// What this program was built for.
  static var native: Architecture {
    #if arch(arm64)
      .arm64
    #else
      .x86_64
    #endif
  }

  /// Those of `wanted` that the CPU has not; none where its features are not known.
  public func missing(_ wanted: [String]) -> [String] {
    features.isEmpty ? [] : wanted.filter { !features.contains($0) }
  }
}

private func trimmed(_ text: Substring) -> Substring {
  var text = text
  while let first = text.first, first.isWhitespace { text.removeFirst() }
  while let last = text.last, last.isWhitespace { text.removeLast() }
  return text
}

/// A decimal number, or a hexadecimal one behind `0x`.
private func number(_ text: Substring?) -> Int {
  guard let text else { return 0 }
  return (text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text)) ?? 0
}
