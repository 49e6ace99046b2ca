import Core
import Foundation
import Safetensors
import Storage

/// A checkpoint as it was at one step, in memory of its own, so that it can be written while training goes on.
///
/// Invariant: `memory` holds `capacity` bytes, mapped in `begin` and freed in `deinit` or when more is needed. Threads
/// that copy have chunks of their own; from `finish` until it has been written only the writer's thread reads.
public final class CheckpointSnapshot: @unchecked Sendable {
  // Sendable: the phases of copying and of writing are separated by whoever starts the writer.
  /// A file of tensors in `memory`.
  struct File {
    let name: String
    let bytes: Range<Int>
    let record: FileRecord
  }

  private var memory: UnsafeMutableRawPointer?
  private var capacity = 0
  private(set) var files: [File] = []
  private(set) var byteFiles: [String: [UInt8]] = [:]
  private(set) var state = TrainingState(
    step: 0, streamPosition: 0, samplesSeen: 0, tokensSeen: 0, objective: "", experimentHash: "")
  /// Digests of chunks that another rank hashed: compared with the copy before it is written.
  private var foreign: [(chunk: Int, bytes: Range<Int>, file: String, digest: String, rank: Int)] = []

  public init() {}

  /// A snapshot of `contents`, taken by the calling thread alone.
  public convenience init(of contents: CheckpointContents) throws(CheckpointError) {
    self.init()
    let image = CheckpointImage(contents)
    try begin(image)
    for chunk in 0..<image.chunkCount { copy(chunk: chunk, of: image) }
    finish(image, digests: (0..<image.chunkCount).map { image.digest(chunk: $0) }, contents)
  }

  deinit { if let memory { munmap(memory, capacity) } }

  /// Makes room. The memory is kept for the next snapshot.
  ///
  /// - Throws: `CheckpointError` when the system has none.
  public func begin(_ image: CheckpointImage) throws(CheckpointError) {
    guard image.byteCount > capacity else { return }
    if let memory { munmap(memory, capacity) }
    (memory, capacity) = (nil, 0)
    guard let new = mmap(nil, image.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      new != MAP_FAILED
    else {
      throw CheckpointError(
        "take a copy for", "the checkpoint", "\(byteText(image.byteCount)) of memory: \(systemReason())",
        exitCode: .inputOutput)
    }
    (memory, capacity) = (new, image.byteCount)
  }

  /// Copies a chunk. Safe on several threads at once for different chunks.
  public func copy(chunk: Int, of image: CheckpointImage) {
    guard let memory else { preconditionFailure("a snapshot needs memory before it is taken") }
    image.copy(chunk: chunk, to: memory)
  }

  /// Closes the snapshot.
  ///
  /// - Parameters:
  ///   - digests: of every chunk, from whichever rank hashed it.
  ///   - ranks: how many ranks hashed shares; the digests of other ranks than 0 are compared with the copy by
  ///     `requireOneReplica`.
  public func finish(_ image: CheckpointImage, digests: [String], _ contents: CheckpointContents, ranks: Int = 1) {
    precondition(digests.count == image.chunkCount, "\(digests.count) digests of \(image.chunkCount) chunks")
    files = image.files.map { file in
      let digest = SHA256.of(digests[file.firstChunk..<file.firstChunk + file.chunkCount].joined())
      return File(
        name: file.name, bytes: file.offset..<file.offset + file.byteCount,
        record: FileRecord(bytes: file.byteCount, sha256: digest))
    }
    (byteFiles, state) = (contents.byteFiles, contents.state)
    foreign = (1..<max(ranks, 1)).flatMap { rank in
      image.share(of: rank, ranks: ranks).map { chunk in
        let (file, bytes) = image.place(of: chunk)
        return (chunk, file.offset + bytes.lowerBound..<file.offset + bytes.upperBound, file.name, digests[chunk], rank)
      }
    }
  }

  /// The bytes of a file; valid until the next `begin`.
  func bytes(of file: File) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(start: memory, count: capacity)[file.bytes])
  }

  /// Compares the shares that other ranks hashed from their replicas with the copy of rank 0's. Digests of another
  /// replica would make a checkpoint that nobody can trust.
  ///
  /// - Throws: `CheckpointError` with exit code `diverged`, naming the rank and the file.
  func requireOneReplica() throws(CheckpointError) {
    let all = UnsafeRawBufferPointer(start: memory, count: capacity)
    for part in foreign where SHA256.of(UnsafeRawBufferPointer(rebasing: all[part.bytes])) != part.digest {
      throw CheckpointError(
        "save", "step \(state.step)", "rank \(part.rank) and rank 0 hold other bytes of \(part.file)",
        remedy:
          "A rank computed or kept something wrong; check that host's memory. The checkpoints before this step are intact.",
        exitCode: .diverged)
    }
  }
}
