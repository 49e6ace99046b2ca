import Core
@testable import Machine
import Testing

@Suite struct MPIRequirementsTests {
  private func problem(openFiles: UInt64 = .max, fileBytes: UInt64 = .max) -> String {
    do {
      try MPIRequirements.check(openFiles: openFiles, fileBytes: fileBytes)
      return ""
    } catch { return error.description }
  }

  @Test func limitsBelowTheLeastAreNamed() {
    #expect(
      problem(openFiles: 63)
        == "ulimit -n is 63; MPI needs at least 64 open files per process; raise it, as by ulimit -n 1024.")
    #expect(problem(fileBytes: (8 << 20) - 1).hasPrefix("ulimit -f is 8191 KiB; MPI needs files of 8 MiB"))
    #expect(problem(openFiles: 64, fileBytes: 8 << 20).isEmpty)
  }
}
