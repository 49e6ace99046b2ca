import Foundation

/// The CPU of a host, for the record of a start and for sentences. Nothing is decided by it: the probe of `Arithmetic` is.
public struct Processor: Codable, Sendable, Equatable {
  public var model: String
  /// The features that vector arithmetic may use, as the kernel names them, sorted.
  public var features: [String]

  public init(model: String, features: [String]) {
    (self.model, self.features) = (model, features)
  }

  /// The CPU this process runs on.
  public static func current() -> Processor {
    Processor(cpuinfo: (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? "")
  }

  /// - Parameter text: what `/proc/cpuinfo` holds; the first processor counts.
  init(cpuinfo text: String) {
    var values: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
      if parts.count == 2, values[parts[0]] == nil { values[parts[0]] = parts[1] }
    }
    model = values["model name"] ?? values["CPU part"] ?? "unknown"
    let flags = (values["flags"] ?? values["Features"] ?? "").split(separator: " ").map(String.init)
    features = Set(flags.filter(Self.isVector)).sorted()
  }

  private static func isVector(_ flag: String) -> Bool {
    ["f16c", "sme", "bf16", "i8mm"].contains(flag) || ["sse", "ssse", "avx", "fma", "amx", "asimd", "sve"].contains { flag.hasPrefix($0) }
  }

  /// In what the CPUs differ; nil when they do not.
  public func difference(from other: Processor) -> String? {
    let (mine, others) = (Set(features), Set(other.features))
    let here = mine.subtracting(others).sorted().joined(separator: ", ")
    let there = others.subtracting(mine).sorted().joined(separator: ", ")
    var parts: [String] = []
    if !here.isEmpty { parts.append("only here are \(here)") }
    if !there.isEmpty { parts.append("only there are \(there)") }
    if parts.isEmpty, model != other.model { parts.append("the CPU is \(model) here and \(other.model) there") }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }
}
