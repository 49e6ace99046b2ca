import Kernels
import Storage

/// The CPU of a host, for the record of a start and for sentences. Nothing is decided by it: the probe of `Arithmetic`
/// is.
public struct Processor: Codable, Sendable, Equatable {
  public var model: String
  /// The features that vector arithmetic may use, as the kernel names them, sorted.
  public var features: [String]

  public init(model: String, features: [String]) {
    (self.model, self.features) = (model, features)
  }

  /// - Parameter text: what `/proc/cpuinfo` holds.
  init(cpuinfo text: String) { self.init(CPU(cpuinfo: text)) }

  init(_ cpu: CPU) {
    self.init(model: cpu.name, features: cpu.features.filter(Self.isVector).sorted())
  }

  /// The CPU this process runs on.
  public static func current() -> Processor { Processor(CPU.current) }

  private static func isVector(_ flag: String) -> Bool {
    ["f16c", "sme", "bf16", "i8mm"].contains(flag)
      || ["sse", "ssse", "avx", "fma", "amx", "asimd", "sve"].contains { flag.hasPrefix($0) }
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

extension CPU {
  /// The CPU this process runs on. The first processor's lines suffice; a large host has thousands.
  public static let current = CPU(cpuinfo: SystemText.read("/proc/cpuinfo", atMost: 1 << 14) ?? "")
}
