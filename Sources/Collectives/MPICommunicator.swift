import CMPIShim
import Core
import Glibc
import Tensors

/// The ranks that `mpirun` or `srun` started.
///
/// Invariant: all calls come from the thread that made it (checked), because MPI runs at `MPI_THREAD_FUNNELED`. Every
/// collective is started and polled, so a rank that waits can notice that another one never comes.
public final class MPICommunicator: Communicator {
  let world: OpaquePointer
  private let owner: pthread_t
  public let rank: Int
  public let size: Int
  public let localRank: Int
  public let localSize: Int
  public var phase = Phase("start") {
    didSet { Heartbeat.beat(at: phase) }
  }
  /// Seconds a rank may keep the others waiting; nil switches the watch off.
  public var stallSeconds: Double? {
    didSet { Heartbeat.watch(seconds: stallSeconds, rank: rank) }
  }
  /// Waits begun so far.
  private var waits = 0
  /// Made on all ranks together by `exchangeHostNames`.
  var stallWatch: StallWatch?

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

  // MARK: - Collectives that wait

  public func barrier() throws(CollectiveError) {
    try complete("a barrier") { lockstep_mpi_start_barrier(world, &$0) }
  }

  public func allReduce(_ values: inout [Double], _ reduction: Reduction) throws(CollectiveError) {
    try reduceArray(&values, Int32(LOCKSTEP_DOUBLE), reduction)
  }

  public func allReduce(_ values: inout [Int64], _ reduction: Reduction) throws(CollectiveError) {
    try reduceArray(&values, Int32(LOCKSTEP_INT64), reduction)
  }

  /// A float sum by the library's blocking call, whose bits depend on the algorithm: the control of tests.
  public func sumBlocking(_ values: inout [Float]) throws(CollectiveError) {
    let code = values.withUnsafeMutableBytes {
      lockstep_mpi_reduce_blocking(
        world, $0.baseAddress, Int64($0.count / 4), Int32(LOCKSTEP_FLOAT), Int32(LOCKSTEP_SUM))
    }
    try check(code, "a blocking sum")
  }

  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(CollectiveError) {
    for start in stride(from: 0, to: bytes.count, by: Int(LOCKSTEP_PIECE)) {
      let count = min(Int(LOCKSTEP_PIECE), bytes.count - start)
      try complete("a broadcast") {
        lockstep_mpi_start_broadcast(world, bytes.baseAddress.map { $0 + start }, Int64(count), Int32(root), &$0)
      }
    }
  }

  public func allGather(_ mine: [UInt8]) throws(CollectiveError) -> [[UInt8]] {
    // Memory of its own: the library holds the addresses until the gather is done.
    let all = UnsafeMutableRawBufferPointer.allocate(byteCount: mine.count * (size + 1), alignment: 16)
    defer { all.deallocate() }
    guard let base = all.baseAddress else { return [[UInt8]](repeating: [], count: size) }
    let source = base + mine.count * size
    source.copyMemory(from: mine, byteCount: mine.count)
    try complete("a gather") { lockstep_mpi_start_gather_all(world, source, Int64(mine.count), base, &$0) }
    return (0..<size).map { Array(all[$0 * mine.count..<($0 + 1) * mine.count]) }
  }

  private func reduceArray<Element: BitwiseCopyable>(
    _ values: inout [Element], _ type: Int32, _ reduction: Reduction
  ) throws(CollectiveError) {
    let outcome = values.withUnsafeMutableBufferPointer { buffer in
      Result { () throws(CollectiveError) in
        for start in stride(from: 0, to: buffer.count, by: Int(LOCKSTEP_PIECE)) {
          let count = min(Int(LOCKSTEP_PIECE), buffer.count - start)
          try complete("a sum over ranks") {
            lockstep_mpi_start_reduce(
              world, buffer.baseAddress.map { $0 + start }, Int64(count), type, reduction.code, &$0)
          }
        }
      }
    }
    try outcome.get()
  }

  private func complete(
    _ operation: String, _ start: (inout OpaquePointer?) -> Int32
  ) throws(CollectiveError) {
    let request = try post(operation, start)
    var wait = beginWait()
    while !(try request.test()) { try idle(&wait) }
  }

  // MARK: - Collectives that run beside other work

  public func startAllReduce(_ values: UnsafeMutableBufferPointer<Int64>) throws(CollectiveError) -> any Request {
    try post("a sum over ranks") {
      lockstep_mpi_start_reduce(
        world, values.baseAddress, Int64(values.count), Int32(LOCKSTEP_INT64), Int32(LOCKSTEP_SUM), &$0)
    }
  }

  public func startAllReduce(_ values: UnsafeMutableBufferPointer<Float>) throws(CollectiveError) -> any Request {
    try post("a sum over ranks") {
      lockstep_mpi_start_reduce(
        world, values.baseAddress, Int64(values.count), Int32(LOCKSTEP_FLOAT), Int32(LOCKSTEP_SUM), &$0)
    }
  }

  public func startAllToAll(
    _ values: UnsafePointer<Int64>, parts: [Range<Int>], received: UnsafeMutablePointer<Int64>
  ) throws(CollectiveError) -> any Request {
    let mine = parts[rank].count
    let list = Counts(
      parts.map { Int32($0.count) } + parts.map { Int32($0.lowerBound) } + [Int32](repeating: Int32(mine), count: size)
        + (0..<size).map { Int32($0 * mine) })
    return try post("a sum over ranks", holding: list) {
      lockstep_mpi_start_exchange(
        world, values, list.base, list.base + size, received, list.base + 2 * size, list.base + 3 * size,
        Int32(LOCKSTEP_INT64), &$0)
    }
  }

  public func startAllGather(_ values: UnsafeMutablePointer<Float>, parts: [Range<Int>]) throws(CollectiveError)
    -> any Request
  {
    let list = Counts(parts.map { Int32($0.count) } + parts.map { Int32($0.lowerBound) })
    return try post("a sum over ranks", holding: list) {
      lockstep_mpi_start_spread(world, values, list.base, list.base + size, Int32(LOCKSTEP_FLOAT), &$0)
    }
  }

  // MARK: - Waiting

  public func beginWait() -> Wait {
    waits += 1
    return Wait(number: waits)
  }

  public func idle(_ wait: inout Wait) throws(CollectiveError) {
    wait.turns += 1
    // Waiting must not take the processor from a rank that computes; the first turns are short, for small messages.
    // Where other processes compute, one yield lasts until all of them had their turn: a sleeping process is woken
    // sooner.
    if wait.turns < 50, ContinuousClock.now - wait.started < .microseconds(100) {
      sched_yield()
    } else {
      usleep(wait.turns < 1000 ? 20 : 100)
    }
    guard wait.turns % 256 == 0 else { return }
    Heartbeat.beat()
    if let stallSeconds { try stallWatch?.look(&wait, limit: stallSeconds, from: self) }
  }

  /// Exchanges the host names of all ranks, so that a report of a stall can say who and where. Collective.
  public func exchangeHostNames() throws(CollectiveError) {
    if stallWatch == nil, size > 1 { stallWatch = try StallWatch(self) }
  }

  public func abort(_ code: ExitCode) -> Never {
    lockstep_mpi_abort(world, code.rawValue)
    exit(code.rawValue)
  }

  // MARK: - Calls into the shim

  private func post(
    _ operation: String, holding counts: Counts? = nil, _ start: (inout OpaquePointer?) -> Int32
  ) throws(CollectiveError) -> MPIRequest {
    var request: OpaquePointer?
    try check(start(&request), operation)
    guard let request else { throw CollectiveError(operation, rank: rank, reason: "MPI gave no request") }
    return MPIRequest(request, operation, owner: self, holding: counts)
  }

  func check(_ code: Int32, _ operation: String) throws(CollectiveError) {
    precondition(pthread_equal(pthread_self(), owner) != 0, "only the thread that started MPI may call it")
    if code != 0 { throw CollectiveError(operation, rank: rank, reason: Self.message(code)) }
  }

  private static func message(_ code: Int32) -> String { text { lockstep_mpi_message(code, $0, $1) } }

  private static func text(_ fill: (UnsafeMutablePointer<CChar>, Int32) -> Void) -> String {
    var bytes = [CChar](repeating: 0, count: 8192)
    bytes.withUnsafeMutableBufferPointer { buffer in
      if let base = buffer.baseAddress { fill(base, Int32(buffer.count)) }
    }
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// Counts and starts that MPI reads until the call is done.
private final class Counts {
  let base: UnsafeMutablePointer<Int32>

  init(_ values: [Int32]) {
    base = .allocate(capacity: max(values.count, 1))
    base.initialize(repeating: 0, count: max(values.count, 1))
    base.update(from: values, count: values.count)
  }

  deinit { base.deallocate() }
}

/// A collective that MPI is working on.
private final class MPIRequest: Request {
  private let request: OpaquePointer
  private let operation: String
  private let owner: MPICommunicator
  private let counts: Counts?

  init(_ request: OpaquePointer, _ operation: String, owner: MPICommunicator, holding counts: Counts?) {
    (self.request, self.operation, self.owner, self.counts) = (request, operation, owner, counts)
  }

  func test() throws(CollectiveError) -> Bool {
    var done: Int32 = 0
    try owner.check(lockstep_mpi_test(request, &done), operation)
    return done != 0
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
