import Core
import Foundation
import Safetensors
import Storage

/// The right to write into a run folder, held by one process at a time.
///
/// Invariant: `descriptor` is open for the life of this object, and the lock is the system's: it ends with
/// the process, however that ends.
public final class RunClaim: Sendable {
  private let descriptor: Int32
  private let run: RunFolder
  /// Folders that were made for the claim, the innermost first.
  private let made: [String]

  fileprivate init(descriptor: Int32, run: RunFolder, made: [String]) {
    (self.descriptor, self.run, self.made) = (descriptor, run, made)
  }

  deinit { close(descriptor) }

  /// Whether the lock is still that of the folder, which may have been removed or replaced.
  public func holds(_ run: RunFolder) -> Bool {
    var (mine, there) = (stat(), stat())
    return fstat(descriptor, &mine) == 0 && lstat(run.lockPath, &there) == 0 && mine.st_ino == there.st_ino
      && mine.st_dev == there.st_dev
  }

  /// Leaves in the lock who holds it, for people and for a start that is refused. It counts only while the lock is
  /// held.
  public func sign() throws(CheckpointError) {
    let holder = RunHolder(
      host: ProcessInfo.processInfo.hostName, pid: Int(getpid()), since: Date().timeIntervalSince1970)
    let bytes = Array((holder.json + "\n").utf8)
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw CheckpointError("write", run.lockPath, systemReason(), exitCode: .inputOutput)
    }
    // A write may be interrupted, or take a part only.
    try CheckpointError.wrapping { () throws(FileError) in
      let outcome = bytes.withUnsafeBytes { buffer in
        Result { () throws(FileError) in try AtomicFile.writeAll(buffer, to: descriptor, path: run.lockPath) }
      }
      try outcome.get()
    }
  }

  /// Takes back what the claim made, after a start that was refused: folders that were not there before, if they are
  /// still empty.
  public func undo() {
    guard !made.isEmpty, holds(run) else { return }
    let names = (try? Folders.names(in: run.path)) ?? []
    guard names == [(run.lockPath as NSString).lastPathComponent], unlink(run.lockPath) == 0 else { return }
    for folder in made where rmdir(folder) != 0 { return }
  }
}

/// Who holds a run folder, as the lock's file says.
struct RunHolder: Equatable {
  var host: String
  var pid: Int
  /// Seconds since 1970.
  var since: Double

  var json: String {
    JSONValue.object([.init("host", .string(host)), .init("pid", .integer(pid)), .init("since", .float(since))]).compact
  }

  init(host: String, pid: Int, since: Double) { (self.host, self.pid, self.since) = (host, pid, since) }

  /// Nil for anything else than `json` gives.
  init?(_ bytes: [UInt8]) {
    guard let json = try? JSONValue.parse(bytes), let host = json["host"]?.string, let pid = json["pid"]?.integer,
      let since = json["since"]?.double, (0...1e11).contains(since)
    else { return nil }
    self.init(host: printable(host, atMost: 255), pid: pid, since: since)
  }

  var text: String {
    let format = DateFormatter()
    (format.timeZone, format.locale) = (TimeZone(identifier: "UTC"), Locale(identifier: "en_US_POSIX"))
    format.dateFormat = "yyyy-MM-dd HH:mm:ss 'UTC'"
    return "process \(pid) on \(host), since \(format.string(from: Date(timeIntervalSince1970: since)))"
  }

  /// The process of this host that the kernel lists as holder of the lock; nil where another host holds it.
  static func here(_ lock: stat) -> Int? {
    let locks = (try? String(contentsOfFile: "/proc/locks", encoding: .utf8)) ?? ""
    return locks.split(separator: "\n").lazy.compactMap { line -> Int? in
      let fields = line.split(separator: " ")
      // "1: FLOCK ADVISORY WRITE 1234 08:01:56789 0 EOF"; a line that waits for the lock has an arrow.
      guard fields.count >= 6, fields[1] == "FLOCK", let pid = Int(fields[4]), pid > 0,
        fields[5].split(separator: ":").last.flatMap({ UInt64($0) }) == UInt64(lock.st_ino)
      else { return nil }
      return pid
    }.first
  }
}

extension RunFolder {
  var lockPath: String { path + "/.lock" }

  /// Takes the folder for this process until the claim is released.
  ///
  /// - Throws: `CheckpointError` with exit code `claimed` when another process holds it. A file system without locks
  ///   grants every claim.
  public func claim() throws(CheckpointError) -> RunClaim {
    let made = try missingFolders()
    try Folders.create(path)
    let file = lockPath
    let descriptor = open(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CheckpointError(
        "create", file, errno == ELOOP ? FileKind.linkReason : systemReason(), exitCode: .inputOutput)
    }
    do { try requireOwn(file, .file) } catch {
      close(descriptor)
      throw error
    }
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      defer { close(descriptor) }
      throw claimed(descriptor)
    }
    return RunClaim(descriptor: descriptor, run: self, made: made)
  }

  /// The run folder and those above it that do not exist, the innermost first.
  private func missingFolders() throws(CheckpointError) -> [String] {
    var (missing, folder) = ([String](), path)
    while !folder.isEmpty, folder != "/", try Folders.kind(of: folder) == .absent {
      missing.append(folder)
      folder = folderAbove(folder)
    }
    return missing
  }

  private func claimed(_ descriptor: Int32) -> CheckpointError {
    var (info, bytes) = (stat(), [UInt8](repeating: 0, count: 4096))
    let isKnown = fstat(descriptor, &info) == 0
    let count = max(0, pread(descriptor, &bytes, bytes.count, 0))
    let signed = RunHolder(Array(bytes[..<count]))
    let here = isKnown ? RunHolder.here(info) : nil
    let host = ProcessInfo.processInfo.hostName
    let holder: String
    var remedy = "Wait for it, stop it, or name another run."
    if let here, signed?.pid != here || signed?.host != host {
      holder = "process \(here) on \(host)"
    } else if let signed {
      holder = signed.text
      if signed.host != host {
        remedy +=
          " If \(signed.host) is down, a network file system may keep its lock: remove \(lockPath) once nothing trains there."
      }
    } else {
      holder = "a process that has not said which it is"
    }
    return CheckpointError(
      "start in", path, "another process is training in this folder: \(holder)", remedy: remedy, exitCode: .claimed)
  }
}
