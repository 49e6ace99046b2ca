import Collectives
import Core
import Foundation
import Kernels
import Machine
import Runs

/// The instructions the build was made for.
struct CPUCheck: DoctorCheck {
  func findings(_ job: DoctorJob) -> [Finding] {
    #if arch(x86_64)
      let missing = CPU.current.missing(["avx2", "fma", "bmi2"])
      if !missing.isEmpty {
        return [
          .problem(
            "CPU", "lacks \(missing.joined(separator: ", ")), which this build uses.",
            remedy: "Build on this machine with another -march in Package.swift.")
        ]
      }
    #endif
    return [.ok("CPU", "\(CPU.current.name), has the instructions this build uses")]
  }
}

/// Whether the kernels that are used are the best of this CPU, and right.
struct BLASCheck: DoctorCheck {
  func findings(_ job: DoctorJob) -> [Finding] {
    let (identity, kernel) = (BLAS.identity, ComputeKernel.current)
    var findings = kernel.rejected.map { name in
      Finding.warning(
        "BLAS",
        "OpenBLAS's \(name) kernels compute wrong products on this CPU, or cannot be chosen; \(kernel.core) is used instead.",
        remedy: "Install another version of OpenBLAS.", of: .rank)
    }
    switch kernel.reason {
    case .requested where !kernel.isBest:
      findings.append(
        .warning(
          "BLAS",
          "OPENBLAS_CORETYPE pins OpenBLAS to its \(kernel.core) kernels; \(kernel.best) are faster on this CPU.",
          remedy:
            "Leave it out (launch/run --core), unless other hosts need it; a run must stay with the kernels it began with.",
          of: .rank))
    case .run where !kernel.isBest:
      findings.append(
        .warning(
          "BLAS",
          "the run resumes with the \(kernel.core) kernels it was computed with; \(kernel.best) are faster on this CPU.",
          remedy:
            "OPENBLAS_CORETYPE=\(kernel.best) with --accept-arithmetic changes to them, and the bits from there on.",
          of: .rank))
    default: break
    }
    let quality = kernel.isBest ? ", the best of this CPU" : ""
    return findings.isEmpty
      ? [.ok("BLAS", "\(identity.configuration), kernels \(kernel.core)\(quality), products checked")] : findings
  }
}

/// Memory: for the run where one is named, else whether there is any.
struct MemoryCheck: DoctorCheck {
  func findings(_ job: DoctorJob) -> [Finding] {
    guard job.isHostLeader else { return [] }
    let limits = HostLimits.current
    guard let available = limits.availableBytes else {
      return [.warning("memory", "/proc/meminfo does not say what is available.", remedy: "Mount /proc.")]
    }
    let here = String(format: "%.1f GB available of %@", Double(available) / 1e9, limits.memoryOwner)
    if let plan = job.plan {
      do {
        try plan.requireMemory(.current, ranksHere: job.communicator.localSize, savesHere: job.communicator.rank == 0)
      } catch {
        return [
          .problem("memory", error.description, remedy: "lockstep train CONFIG --dry-run shows what takes how much.")
        ]
      }
      return [
        .ok(
          "memory",
          String(
            format: "%@, the run takes %.1f GB here", here, Double(plan.memoryBytes * job.communicator.localSize) / 1e9)
        )
      ]
    }
    if available < 1_000_000_000 {
      return [.warning("memory", "\(here).", remedy: "lockstep train CONFIG --dry-run says what a run needs.")]
    }
    return [.ok("memory", here)]
  }
}

/// Room for the segments through which the ranks of a host exchange data.
struct SharedMemoryCheck: DoctorCheck {
  /// Open MPI takes 4 MiB per rank at the start and more for long messages.
  private static let bytesPerRank = 8_000_000

  func findings(_ job: DoctorJob) -> [Finding] {
    guard job.isHostLeader else { return [] }
    var info = statvfs()
    guard statvfs("/dev/shm", &info) == 0 else {
      return [
        .warning(
          "/dev/shm", "is missing; Open MPI then moves data between ranks of a host by slower means.",
          remedy: "mount -t tmpfs tmpfs /dev/shm")
      ]
    }
    let size = Int(info.f_blocks) * Int(info.f_frsize)
    let needed = Self.bytesPerRank * job.communicator.localSize
    if size < needed {
      return [
        .problem(
          "/dev/shm",
          "has \(megabytes(size)), and the \(job.communicator.localSize) ranks of this host need \(megabytes(needed)) to exchange data.",
          remedy: "Make it larger: mount -o remount,size=1g /dev/shm, or docker run --shm-size=1g.")
      ]
    }
    return [.ok("/dev/shm", "\(megabytes(size))")]
  }

  private func megabytes(_ bytes: Int) -> String { "\(bytes / 1_000_000) MB" }
}

/// Limits of the shell or the scheduler that a run would reach in the middle.
struct LimitsCheck: DoctorCheck {
  func findings(_ job: DoctorJob) -> [Finding] {
    var findings: [Finding] = []
    // A connection to every other rank, shards, libraries and logs.
    let (files, neededFiles) = (limit(RLIMIT_NOFILE), UInt64(256 + job.communicator.size))
    if files < neededFiles {
      findings.append(
        .problem(
          "open files",
          "a rank may open \(files), and a job of \(job.communicator.size) ranks needs up to \(neededFiles).",
          remedy: "ulimit -n 4096 before the start, or LimitNOFILE of sshd and slurmd."))
    }
    if hasInfiniBand, limit(__RLIMIT_MEMLOCK) < 64_000_000 {
      findings.append(
        .problem(
          "locked memory", "a rank may lock \(limit(__RLIMIT_MEMLOCK)) bytes, too few for this host's InfiniBand.",
          remedy: "ulimit -l unlimited, in /etc/security/limits.conf or LimitMEMLOCK of sshd and slurmd."))
    }
    if let plan = job.plan {
      let size = limit(RLIMIT_FSIZE)
      // The moments are the largest file.
      if job.place.rank == 0, size < UInt64(8 * plan.parameters) {
        findings.append(
          .problem(
            "file size", "a file may have \(size) bytes, and a checkpoint has one of \(8 * plan.parameters).",
            remedy: "ulimit -f unlimited"))
      }
    }
    return findings.isEmpty ? [.ok("limits", "\(files) open files")] : findings
  }

  private func limit(_ resource: __rlimit_resource) -> UInt64 {
    var limit = rlimit()
    return getrlimit(Int32(bitPattern: resource.rawValue), &limit) == 0 ? UInt64(limit.rlim_cur) : .max
  }

  private var hasInfiniBand: Bool {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/sys/class/infiniband")) ?? []).isEmpty == false
  }
}
