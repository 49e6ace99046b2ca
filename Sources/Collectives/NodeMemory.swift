import CLinux
import Glibc

/// Memory of all ranks of a node, each rank's piece mapped into all of them: pieces of equal size, one after the other
/// in the order of ranks, zero at first.
///
/// A piece is memory without a file, so that nothing is left behind when a job is killed, and the size of /dev/shm does
/// not matter.
///
/// Invariant: the mapping lives as long as the object.
public final class NodeMemory: @unchecked Sendable {
  // Sendable: the mapping does not change; who writes where is the caller's business.
  /// The piece of rank 0.
  let base: UnsafeMutableRawPointer
  /// Bytes from one piece to the next: whole pages.
  let stride: Int
  let rank: Int
  let ranks: Int

  /// This rank's contribution before the others have mapped it.
  struct Piece {
    let descriptor: Int32
    let bytes: Int
    /// What the first bytes hold: another process with the same number, in another container, has another.
    let token: UInt64

    /// - Returns: nil where the system refuses.
    init?(bytes: Int) {
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      self.bytes = (bytes + page - 1) / page * page
      descriptor = memfd_create("lockstep", UInt32(LINUX_MFD_CLOEXEC))
      token = UInt64.random(in: 1 ... .max)
      guard descriptor >= 0 else { return nil }
      var token = token
      guard ftruncate(descriptor, self.bytes) == 0, pwrite(descriptor, &token, 8, 0) == 8 else {
        close(descriptor)
        return nil
      }
    }
  }

  /// Where a rank's piece is, as ranks exchange it.
  struct Address: BitwiseCopyable {
    let process: Int64
    let descriptor: Int64
    let token: UInt64
  }

  /// Maps the pieces of all ranks. - Returns: nil where one cannot be reached.
  init?(_ addresses: [Address], bytes: Int, rank: Int) {
    (self.rank, ranks, stride) = (rank, addresses.count, bytes)
    guard
      let base = mmap(nil, bytes * addresses.count, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      base != MAP_FAILED
    else { return nil }
    self.base = base
    guard addresses.indices.allSatisfy({ Self.map(addresses[$0], at: base + $0 * bytes, bytes) }) else { return nil }
    madvise(base, bytes * addresses.count, MADV_HUGEPAGE)
  }

  deinit { munmap(base, stride * ranks) }

  private static func map(_ address: Address, at place: UnsafeMutableRawPointer, _ bytes: Int) -> Bool {
    let file = open("/proc/\(address.process)/fd/\(address.descriptor)", O_RDWR | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, Int(status.st_size) == bytes,
      mmap(place, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == place
    else { return false }
    return place.load(as: UInt64.self) == address.token
  }

  /// The piece of a rank.
  func piece(_ rank: Int) -> UnsafeMutableRawPointer { base + rank * stride }

  var mine: UnsafeMutableRawPointer { piece(rank) }
}

extension MPICommunicator {
  public func shareMemory(bytes: Int) throws(CollectiveError) -> NodeMemory? {
    guard size > 1, localSize == size else { return nil }
    let piece = NodeMemory.Piece(bytes: bytes)
    defer { if let piece { close(piece.descriptor) } }
    let address = NodeMemory.Address(
      process: Int64(getpid()), descriptor: Int64(piece?.descriptor ?? -1), token: piece?.token ?? 0)
    let addresses = try allGather(withUnsafeBytes(of: address) { Array($0) }).map { bytes in
      bytes.withUnsafeBytes { $0.loadUnaligned(as: NodeMemory.Address.self) }
    }
    let memory = piece.flatMap { NodeMemory(addresses, bytes: $0.bytes, rank: rank) }
    var reached = [Int64(memory == nil ? 0 : 1)]
    try allReduce(&reached, .minimum)
    // All ranks have mapped all pieces, so the descriptors can be closed, and the tokens be overwritten.
    guard reached[0] == 1, let memory else { return nil }
    memory.mine.storeBytes(of: 0, as: UInt64.self)
    try barrier()
    return memory
  }
}
