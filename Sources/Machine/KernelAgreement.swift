import Core
import Kernels

/// The OpenBLAS kernels of a rank and those it could use, for a job whose ranks must all use the same.
struct HostKernels: Codable, Equatable {
  var host: String
  var cpu: String
  var core: String
  /// Best first.
  var usable: [String]

  /// Why ranks with these do not compute alike, which host lacks what, and what to do; nil where all use one core.
  ///
  /// - Parameter ranks: in rank order; all ranks of a host report the same.
  static func disagreement(_ ranks: [HostKernels]) -> String? {
    var hosts: [HostKernels] = []
    for rank in ranks where !hosts.contains(rank) { hosts.append(rank) }
    guard Set(hosts.map(\.core)).count > 1 else { return nil }
    var sentence =
      "ranks use different kernels of OpenBLAS: "
      + shortened(hosts.map { "\($0.core) on \($0.host) (\($0.cpu))" })
    let best = hosts.map(\.core).first { core in hosts.contains { !$0.usable.contains(core) } }
    if let best {
      sentence += "; \(shortened(hosts.filter { !$0.usable.contains(best) }.map(\.host))) cannot use \(best)"
    }
    guard let common = common(hosts.map(\.usable)) else {
      return sentence
        + ". There are no kernels that all of them can use: leave a host out, or install one OpenBLAS everywhere."
    }
    return sentence
      + ". All of them can use \(common): start with launch/run, which asks every host first, or with mpirun -x OPENBLAS_CORETYPE=\(common)."
  }

  /// The best core that is in every list, as the first one orders them.
  static func common(_ lists: [[String]]) -> String? {
    lists.first?.first { core in lists.allSatisfy { $0.contains(core) } }
  }

  private static func shortened(_ parts: [String]) -> String {
    parts.count > 6
      ? parts[..<5].joined(separator: ", ") + " and \(parts.count - 5) more" : parts.joined(separator: ", ")
  }
}
