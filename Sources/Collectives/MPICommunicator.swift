import CMPIShim
import Core
import Glibc

/// The ranks that `mpirun` or `srun` started.
///
/// Invariant: all calls come from the thread that made it (checked), because MPI runs at `MPI_THREAD_FUNNELED`.
public final class MPICommunicator: Communicator {
  private let world: OpaquePointer
  private let owner: pthread_t
  public let rank: Int
  public let size: Int
  public let localRank: Int
  public let localSize: Int

  /// Starts MPI. - Throws: `CollectiveError` when the library refuses or cannot serve one thread.
  public init() throws(CollectiveError) {
    var world: OpaquePointer?
    let code = lockstep_mpi_start(&world)
    guard code == 0, let world else { throw CollectiveError("starting MPI", rank: -1, reason: Self.message(code)) }
    self.world = world
    owner = pthread_self()
    rank = Int(lockstep_mpi_rank(world))
    size = Int(lockstep_mpi_size(world))
    localRank = Int(lockstep_mpi_local_rank(world))
    localSize = Int(lockstep_mpi_local_size(world))
  }

  /// Ends MPI; the communicator must not be used after it.
  public func stop() throws(CollectiveError) {
    try check(lockstep_mpi_stop(world), "ending MPI")
  }

  /// The library's name and version, first line only.
  public static var libraryVersion: String {
    text { lockstep_mpi_version($0, $1) }.split(separator: "\n").first.map { $0.trimmingSuffixes() } ?? "unknown"
  }

  public func barrier() throws(CollectiveError) { try check(lockstep_mpi_barrier(world), "a barrier") }

  public func reduce(_ values: inout [Double], _ reduction: Reduction) throws(CollectiveError) {
    let code = values.withUnsafeMutableBytes {
      lockstep_mpi_reduce(world, $0.baseAddress, Int64($0.count / 8), Int32(LOCKSTEP_DOUBLE), reduction.code)
    }
    try check(code, "a sum over ranks")
  }

  public func reduce(_ values: inout [Int64], _ reduction: Reduction) throws(CollectiveError) {
    let code = values.withUnsafeMutableBytes {
      lockstep_mpi_reduce(world, $0.baseAddress, Int64($0.count / 8), Int32(LOCKSTEP_INT64), reduction.code)
    }
    try check(code, "a sum over ranks")
  }

  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(CollectiveError) {
    try check(lockstep_mpi_broadcast(world, bytes.baseAddress, Int64(bytes.count), Int32(root)), "a broadcast")
  }

  public func gatherAll(_ mine: [UInt8]) throws(CollectiveError) -> [[UInt8]] {
    var all = [UInt8](repeating: 0, count: mine.count * size)
    try check(lockstep_mpi_gather_all(world, mine, Int64(mine.count), &all), "a gather")
    return (0..<size).map { Array(all[$0 * mine.count..<($0 + 1) * mine.count]) }
  }

  public func startSum(_ values: UnsafeMutableBufferPointer<Int64>) throws(CollectiveError) -> any PendingSum {
    try start(values.baseAddress, values.count, Int32(LOCKSTEP_INT64))
  }

  public func startSum(_ values: UnsafeMutableBufferPointer<Float>) throws(CollectiveError) -> any PendingSum {
    try start(values.baseAddress, values.count, Int32(LOCKSTEP_FLOAT))
  }

  public func abort(_ code: ExitCode) -> Never {
    lockstep_mpi_abort(world, code.rawValue)
    exit(code.rawValue)
  }

  private func start(_ base: UnsafeMutableRawPointer?, _ count: Int, _ type: Int32) throws(CollectiveError) -> any PendingSum {
    var request: OpaquePointer?
    try check(lockstep_mpi_start_sum(world, base, Int64(count), type, &request), "starting a sum over ranks")
    guard let request else { throw CollectiveError("starting a sum over ranks", rank: rank, reason: "MPI gave no request") }
    return Pending(request: request, owner: self)
  }

  fileprivate func check(_ code: Int32, _ operation: String) throws(CollectiveError) {
    precondition(pthread_equal(pthread_self(), owner) != 0, "only the thread that started MPI may call it")
    if code != 0 { throw CollectiveError(operation, rank: rank, reason: Self.message(code)) }
  }

  private static func message(_ code: Int32) -> String { text { lockstep_mpi_message(code, $0, $1) } }

  private static func text(_ fill: (UnsafeMutablePointer<CChar>, Int32) -> Void) -> String {
    var bytes = [CChar](repeating: 0, count: 8192)
    bytes.withUnsafeMutableBufferPointer { fill($0.baseAddress!, Int32($0.count)) }
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private final class Pending: PendingSum {
    private let request: OpaquePointer
    private let owner: MPICommunicator

    init(request: OpaquePointer, owner: MPICommunicator) {
      self.request = request
      self.owner = owner
    }

    func isDone() throws(CollectiveError) -> Bool {
      var done: Int32 = 0
      try owner.check(lockstep_mpi_test(request, &done), "a sum over ranks")
      return done != 0
    }

    func wait() throws(CollectiveError) { try owner.check(lockstep_mpi_wait(request), "a sum over ranks") }
  }
}

extension Reduction {
  fileprivate var code: Int32 {
    switch self {
    case .sum: Int32(LOCKSTEP_SUM)
    case .minimum: Int32(LOCKSTEP_MIN)
    case .maximum: Int32(LOCKSTEP_MAX)
    }
  }
}

extension Substring {
  fileprivate func trimmingSuffixes() -> String {
    // Open MPI appends package, ident and date after commas.
    String(prefix { $0 != "," })
  }
}
