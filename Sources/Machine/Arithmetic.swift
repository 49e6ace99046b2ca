import Collectives
import Core
import Foundation
import Kernels
import Storage
import Tensors

/// What the bits of a run depend on besides its configuration and its data.
public struct Arithmetic: Codable, Sendable, Equatable {
  /// SHA-256 of the executable.
  public var binary: String
  /// OpenBLAS's version and options.
  public var blas: String
  /// The kernel OpenBLAS chose for this CPU.
  public var core: String
  /// SHA-256 of results of products, exponentials and norms on fixed inputs.
  public var probe: String

  /// This process's arithmetic.
  public static func current() -> Arithmetic {
    BLAS.useOneThread()
    let identity = BLAS.identity
    let binary = (try? MappedFile("/proc/self/exe")).map { $0.sha256() } ?? "unknown"
    return Arithmetic(
      binary: binary, blas: identity.configuration, core: identity.coreName, probe: withFlushedDenormals(probeDigest))
  }

  /// Runs the kinds of computation a step is made of, on odd sizes, and hashes every bit of the results.
  static func probeDigest() -> String {
    let random = CounterGenerator(seed: 20_240_630, purpose: .evaluation)
    let arena = Arena(floats: 1 << 20)
    var hash = SHA256()
    for (site, (m, k, n)) in [(3, 67, 131), (257, 129, 65), (64, 384, 200)].enumerated() {
      let (a, b, c) = (arena.matrix(m, k), arena.matrix(k, n), arena.matrix(m, n))
      for i in 0..<a.count { a[i] = random.at(position: 0, site: UInt32(site)).uniform(i) - 0.5 }
      for i in 0..<b.count { b[i] = random.at(position: 1, site: UInt32(site)).uniform(i) - 0.5 }
      gemm(a, b, into: c)
      hash.update(UnsafeRawBufferPointer(start: c.base, count: 4 * c.count))
      activate(.gelu, c, into: c)
      let (statistics, weight) = (arena.matrix(m, 2), arena.matrix(1, n))
      weight.fill(1.5)
      layerNorm(c, weight: weight, bias: nil, epsilon: 1e-5, into: c, statistics: statistics)
      hash.update(UnsafeRawBufferPointer(start: c.base, count: 4 * c.count))
      let targets = [Int32](repeating: 1, count: m)
      let weights = [Float](repeating: 1, count: m)
      let loss = softmaxCrossEntropy(logits: c, targets: targets[...], weights: weights[...], scale: 0.25)
      hash.update("\(loss.bitPattern) ")
      hash.update(UnsafeRawBufferPointer(start: c.base, count: 4 * c.count))
    }
    // libm draws initial weights, schedules and rotary angles; its bits change with the CPU and the library's version.
    for i in 1...256 {
      let x = Double(i) * 0.37
      hash.update("\(cos(x).bitPattern) \(sin(x).bitPattern) \(log(x).bitPattern) \(pow(10_000, -x / 100).bitPattern) ")
    }
    return hash.finish()
  }

  /// For the state of a checkpoint.
  public var fields: [String: String] { ["binary": binary, "blas": blas, "core": core, "probe": probe] }

  public init(binary: String, blas: String, core: String, probe: String) {
    (self.binary, self.blas, self.core, self.probe) = (binary, blas, core, probe)
  }

  /// What `fields` gave; nil when one is missing.
  public init?(fields: [String: String]) {
    guard let binary = fields["binary"], let blas = fields["blas"], let core = fields["core"],
      let probe = fields["probe"]
    else { return nil }
    self.init(binary: binary, blas: blas, core: core, probe: probe)
  }

  /// In what this differs from `other`, as a sentence; nil when it does not.
  ///
  /// - Parameter processors: this machine's CPU and the other's, where they are known.
  public func difference(from other: Arithmetic, processors: (here: Processor, there: Processor)? = nil) -> String? {
    if core != other.core { return "OpenBLAS uses its \(core) kernels here and \(other.core) there" }
    if blas != other.blas { return "OpenBLAS is \(blas) here and \(other.blas) there" }
    if probe != other.probe {
      let sentence = "the same computations give other bits here and there, on another CPU or library"
      return processors.flatMap { $0.here.difference(from: $0.there) }.map { "\(sentence): \($0)" } ?? sentence
    }
    if binary != other.binary { return "the lockstep program is another build here than there" }
    return nil
  }

  /// Refuses a job whose ranks compute differently. - Throws: `DivergenceError` on every rank, naming the first that
  /// differs from rank 0.
  public func requireEqual(over communicator: any Communicator) throws {
    let records = try Self.gather(self, over: communicator)
    guard let first = records[0], records.contains(where: { $0.map { $0.difference(from: first) != nil } ?? false })
    else { return }
    // Every rank is here, because all compare the same records.
    let kernels = try Self.gather(
      HostKernels(
        host: ProcessInfo.processInfo.hostName, cpu: String(CPU.current.name.prefix(200)), core: core,
        usable: ComputeKernel.usable()),
      over: communicator)
    if let sentence = HostKernels.disagreement(kernels.compactMap { $0 }) { throw DivergenceError(sentence) }
    let processors = try Self.gather(Processor.current(), over: communicator)
    for (rank, record) in records.enumerated().dropFirst() {
      var pair: (here: Processor, there: Processor)?
      if let here = processors[rank], let there = processors[0] { pair = (here, there) }
      guard let record, let difference = record.difference(from: first, processors: pair) else { continue }
      throw DivergenceError(
        "rank \(rank) and rank 0 would not compute the same bits: on rank \(rank), \(difference). Install the same build everywhere, over the same system packages."
      )
    }
  }

  /// A value of every rank as JSON of at most 2,048 bytes; nil for one that cannot be read.
  private static func gather<Value: Codable>(_ mine: Value, over communicator: any Communicator) throws -> [Value?] {
    var bytes = [UInt8](try JSONEncoder.snakeCase().encode(mine))
    bytes += [UInt8](repeating: 0x20, count: max(0, 2048 - bytes.count))
    return try communicator.allGather(Array(bytes[..<2048])).map {
      try? JSONDecoder.snakeCase().decode(Value.self, from: Data($0))
    }
  }
}

/// Replicas that cannot agree.
public struct DivergenceError: LockstepError, Equatable {
  public let problem: String
  public init(_ problem: String) { self.problem = problem }
  public var exitCode: ExitCode { .diverged }
  public var description: String { problem }
}
