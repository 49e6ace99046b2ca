import Core
import Foundation
import Storage

/// Ends a job whose ranks cannot reach each other: it would wait for ever, and could not report anything.
public final class DoctorDeadline: @unchecked Sendable {
  // The lock guards `isMet`, the only thing two threads share.
  private let lock = NSLock()
  private var isMet = false

  public init(seconds: Int, _ rule: InterfaceRule) {
    Thread.detachNewThread { [self] in
      Thread.sleep(forTimeInterval: Double(seconds))
      lock.withLock {
        guard !isMet else { return }
        let names = NetworkInterface.usable(rule).map { "\($0.name) \($0.text)" }.joined(separator: ", ")
        let text = """
          PROBLEM network: on \(DoctorJob.hostName()) MPI did not reach the other ranks within \(seconds) s; it may use \(names.isEmpty ? "no interface" : names).
                  → Name the network that joins the hosts: --mca btl_tcp_if_include SUBNET --mca oob_tcp_if_include SUBNET; let a firewall pass any port between them.

          """
        StandardError.write(text)
        _exit(Core.ExitCode.usage.rawValue)
      }
    }
  }

  /// The ranks have reached each other.
  public func met() { lock.withLock { isMet = true } }
}
