import Core
import Glibc

/// What MPI needs of its process. Open MPI 4.1 without it ends, or waits for ever, inside MPI_Init and under a banner
/// of its own.
public enum MPIRequirements {
  /// Sockets, pipes and files of memory that one rank opens, with room for more ranks on its host.
  static let openFiles = 64
  /// The file of memory that ranks of a host share.
  static let fileBytes = 8 << 20

  /// To be called before MPI starts. A process without PATH gets the one that the C library searches by itself.
  ///
  /// - Throws: `ConfigurationError` naming the limit, its value and the least.
  public static func check() throws(ConfigurationError) {
    // Open MPI looks for its daemon there.
    setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 0)
    try check(openFiles: limit(RLIMIT_NOFILE), fileBytes: limit(RLIMIT_FSIZE))
  }

  static func check(openFiles: UInt64, fileBytes: UInt64) throws(ConfigurationError) {
    guard openFiles >= Self.openFiles else {
      throw ConfigurationError(
        "ulimit -n", is: openFiles,
        rule: "MPI needs at least \(Self.openFiles) open files per process; raise it, as by ulimit -n 1024.")
    }
    guard fileBytes >= Self.fileBytes else {
      throw ConfigurationError(
        "ulimit -f", is: "\(fileBytes / 1024) KiB",
        rule:
          "MPI needs files of \(Self.fileBytes >> 20) MiB, and checkpoints larger ones; raise it, as by ulimit -f unlimited."
      )
    }
  }

  private static func limit(_ resource: __rlimit_resource) -> UInt64 {
    var limit = rlimit()
    return getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 ? UInt64(limit.rlim_cur) : .max
  }
}
