import Collectives
import Configuration
import Core
import Foundation
import Runs
import Storage

/// The configuration on every host: rank 0's counts, and another host may be the first one after a failure.
struct ConfigurationCheck: DoctorCheck {
  func findings(_ job: DoctorJob) throws -> [Finding] {
    guard let file = job.configurationFile else { return [] }
    let digests = try job.gather(file.text.map { SHA256.of($0) } ?? "")
    guard job.place.rank == 0 else { return [] }
    let missing = digests.indices.filter { digests[$0].isEmpty }
    let others = digests.indices.filter { !digests[$0].isEmpty && digests[$0] != digests[0] }
    var findings: [Finding] = []
    if !others.isEmpty {
      findings.append(
        .problem(
          "configuration",
          "\(file.path) is another one on \(job.names(others)). Rank 0's counts, until a restart without its host reads the other.",
          remedy: "Copy one file to all hosts, or keep it in a folder they share.", of: .job))
    }
    if !missing.isEmpty {
      findings.append(
        .warning(
          "configuration",
          "\(file.path) is not on \(job.hosts(missing)); rank 0's is used, but a restart without its host would find none.",
          remedy: "Copy it to all hosts, or keep it in a folder they share.", of: .job))
    }
    return findings.isEmpty ? [.ok("configuration", "\(file.path), the same everywhere")] : findings
  }
}

/// The corpus on every host, by content.
struct CorpusCheck: DoctorCheck {
  func findings(_ job: DoctorJob) throws -> [Finding] {
    guard let inputs = job.inputs, let corpus = job.configuration?.data.corpus else { return [] }
    var mine: [Finding] = []
    var digest = ""
    switch inputs {
    case .success(let inputs): digest = inputs.dataHash
    case .failure(let error):
      let sentence = Failure.sentence(error)
      mine = [.problem("corpus", sentence, remedy: "Copy the folder \(corpus) to this host, or correct data.corpus.")]
    }
    let digests = try job.gather(digest)
    guard job.place.rank == 0 else { return mine }
    guard let first = digests.firstIndex(where: { !$0.isEmpty }) else { return mine }
    let others = digests.indices.filter { !digests[$0].isEmpty && digests[$0] != digests[first] }
    if !others.isEmpty {
      mine.append(
        .problem(
          "corpus", "\(corpus) holds other shards for \(job.names(others)) than for \(job.names([first])).",
          remedy: "Copy one corpus to all hosts; lockstep inspect \(corpus) prints its content hash.", of: .job))
    } else if mine.isEmpty {
      mine.append(.ok("corpus", "\(corpus), \(digests[first].prefix(12))…"))
    }
    return mine
  }
}

/// Whether rank 0 may write the run's folder, and has room for its checkpoints.
struct RunFolderCheck: DoctorCheck {
  func findings(_ job: DoctorJob) -> [Finding] {
    guard job.place.rank == 0 else { return [] }
    let runs = job.runs
    do {
      try FileManager.default.createDirectory(atPath: runs, withIntermediateDirectories: true)
      let probe = "\(runs)/.doctor-\(getpid())"
      try Data("x".utf8).write(to: URL(fileURLWithPath: probe))
      try FileManager.default.removeItem(atPath: probe)
    } catch {
      return [
        .problem(
          "run folder", "\(runs) cannot be written by user \(getuid()): \(error.localizedDescription)",
          remedy: "Set machine.runs to a folder you may write to, or have this one given to you: chown.")
      ]
    }
    guard let free = try? FileManager.default.attributesOfFileSystem(forPath: runs)[.systemFreeSize] as? NSNumber else {
      return [.warning("run folder", "\(runs) does not say what is free.", remedy: "Look with df.")]
    }
    let gigabytes = free.doubleValue / 1e9
    if let plan = job.plan, let configuration = job.configuration {
      // Those that are kept, the best one, and the one being written.
      let needed = Double((configuration.machine.keepLast + 2) * plan.checkpointBytes)
      if free.doubleValue < needed {
        return [
          .problem(
            "run folder",
            String(
              format: "%@ has %.1f GB free, and the checkpoints that are kept need %.1f GB.", runs, gigabytes,
              needed / 1e9),
            remedy: "Point machine.runs elsewhere, or lower machine.keep_last.")
        ]
      }
    } else if gigabytes < 1 {
      return [
        .warning(
          "run folder", String(format: "%@ has %.1f GB free.", runs, gigabytes), remedy: "Point machine.runs elsewhere."
        )
      ]
    }
    return [.ok("run folder", String(format: "%@ can be written, %.1f GB free", runs, gigabytes))]
  }
}

/// Whether all hosts see one folder for runs. Rank 0 alone reads and writes it, but a restart may have its rank 0
/// elsewhere.
struct SharedFolderCheck: DoctorCheck {
  func findings(_ job: DoctorJob) throws -> [Finding] {
    guard job.hostCount > 1 else { return [] }
    // A name nobody looked up yet: no host can have cached that it is missing.
    let name = try job.gather(UUID().uuidString)[0]
    let token = "\(job.runs)/.doctor-\(name)"
    var wrote = false
    if job.place.rank == 0 { wrote = (try? Data(name.utf8).write(to: URL(fileURLWithPath: token))) != nil }
    guard try job.communicator.maximum(wrote ? 1 : 0) == 1 else { return [] }
    let seen = try job.gather(FileManager.default.contents(atPath: token) == Data(name.utf8))
    if wrote { try? FileManager.default.removeItem(atPath: token) }
    guard job.place.rank == 0 else { return [] }
    let blind = seen.indices.filter { !seen[$0] }
    if blind.isEmpty { return [.ok("shared folder", "all hosts see what rank 0 writes in \(job.runs)")] }
    return [
      .warning(
        "shared folder",
        "\(job.hosts(blind)) does not see what \(job.places[0].host) writes in \(job.runs): without \(job.places[0].host) a run cannot resume.",
        remedy:
          "Point machine.runs at a folder that all hosts share (NFS, Lustre), or keep \(job.places[0].host) first in the hostfile.",
        of: .job)
    ]
  }
}
