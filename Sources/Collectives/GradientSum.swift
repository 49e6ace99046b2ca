import Core
import Kernels
import Synchronization
import Tensors

/// How gradients are added over micro-batches, threads and ranks.
public enum SumArithmetic: String, Codable, Sendable, CaseIterable {
  /// 64-bit integers: one value whatever the order.
  case exact
  /// Floats, as everybody else: the control whose bits depend on ranks and threads.
  case float
}

/// A rank's sum of gradients: threads add finished layers to it, the main thread adds it over ranks.
///
/// The sum is an integer a parameter, q = Σ round(g · 2^e) with an exponent e for each tensor. Exponents are training
/// state: they follow the largest gradient of the previous step, so that it stands near 2⁴¹ and leaves ten bits to
/// grow into. What does not fit, or is not finite, raises a count for its tensor that travels behind the last bucket:
/// all ranks learn of it in the same place.
///
/// Invariant: `memory` holds `layout.count` elements and two counts per tensor. A range is written under its stripe's
/// lock by any thread until all threads have passed it in their last micro-batch; from then on by MPI alone until
/// `finish`; after that by the optimiser, one thread a range.
public final class GradientSum: @unchecked Sendable {
  // Sendable: `add` takes the lock of every stripe it writes, and the other phases are separated by the trainer.
  public let layout: ParameterLayout
  public let arithmetic: SumArithmetic
  /// One exponent per tensor.
  public internal(set) var exponents: [Int]
  /// Tensors whose exponent was never set by a gradient; the first step is taken again once it is.
  public internal(set) var provisional: Bool
  /// For each tensor, whether it overflowed on this rank in any try since the exponents were last restored.
  public private(set) var overflowed: [Bool]
  let memory: UnsafeMutablePointer<Int64>
  /// Where the sum over several ranks arrives, rounded to floats. Never touched, and so never paid for, by a single
  /// rank.
  let rounded: ParameterStore
  /// Where `memory` and `rounded` are when all ranks of a node see them; nil for memory of this process.
  let node: NodeMemory?
  private let elements: Int
  private let locks: [Stripe]
  /// For each segment, the part of a tensor in a stripe, whether nothing has been added to it in this sum: what it
  /// holds is of an earlier one. Under the lock of its stripe.
  private let isUnused: UnsafeMutablePointer<Bool>
  /// The first segment of each tensor, and one past the last.
  private let segments: [Int]
  private var sinks: [Sink] = []
  private var passes = 1

  /// Elements under one lock.
  static let stripe = 1 << 16

  /// - Parameter node: memory of at least `nodeBytes` for each rank.
  public init(_ layout: ParameterLayout, arithmetic: SumArithmetic = .exact, node: NodeMemory? = nil) {
    self.layout = layout
    self.arithmetic = arithmetic
    exponents = [Int](repeating: Self.firstExponent, count: layout.entries.count)
    provisional = arithmetic == .exact
    overflowed = [Bool](repeating: false, count: layout.entries.count)
    elements = layout.count + 2 * layout.entries.count
    self.node = node
    if let node {
      memory = node.integers(of: node.rank)
      rounded = ParameterStore(layout, in: node.floats(behind: elements), owner: node)
    } else {
      memory = allocate(Int64.self, count: elements)
      memory.initialize(repeating: 0, count: elements)
      rounded = ParameterStore(layout)
    }
    locks = (0...(elements / Self.stripe)).map { _ in Stripe() }
    segments = layout.entries.reduce(into: [0]) { starts, entry in
      starts.append((starts.last ?? 0) + Self.stripes(of: entry).count)
    }
    isUnused = allocate(Bool.self, count: segments.last ?? 0)
    isUnused.initialize(repeating: true, count: segments.last ?? 0)
  }

  private static func stripes(of entry: ParameterLayout.Entry) -> Range<Int> {
    entry.offset / stripe..<(entry.offset + max(entry.count, 1) - 1) / stripe + 1
  }

  deinit {
    if node == nil { memory.deallocate() }
    isUnused.deallocate()
  }

  /// Bytes of each rank's piece of a node's memory.
  public static func nodeBytes(_ layout: ParameterLayout) -> Int {
    NodeMemory.bytes(integers: layout.count + 2 * layout.entries.count, floats: layout.count)
  }

  static let firstExponent = 40
  /// Where the largest gradient of a tensor is put.
  static let targetExponent = 41

  final class Stripe: Sendable { let lock = Mutex<Void>(()) }

  /// The integers of this rank, for the optimiser of a single rank.
  public var integers: UnsafeMutablePointer<Int64> { memory }
  /// The sum over ranks, for the optimiser of several.
  public var floatsOverRanks: UnsafePointer<Float> { UnsafePointer(rounded.memory) }

  /// Whether the ranks sum in memory that all of them see.
  public var isShared: Bool { node != nil }

  /// The floats of the control, in the same memory.
  public var floats: UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Float.self)
  }

  /// 2^-e of a tensor.
  public func inverseScale(_ entry: Int) -> Double { Double(sign: .plus, exponent: -exponents[entry], significand: 1) }

  /// A thread's way in. Made once for each thread, before the first step.
  /// - Parameters:
  ///   - passes: how often a micro-batch runs backward through the trained networks, usually 1.
  public func makeSink(passes: Int = 1) -> Sink {
    self.passes = passes
    let sink = Sink(self, passes: passes, thread: sinks.count + 1)
    sinks.append(sink)
    return sink
  }

  /// Begins another sum, before any thread adds to it: the first gradient of a tensor overwrites what the last sum
  /// left.
  /// - Parameter willWork: false where this rank adds nothing, so that its sum is zero.
  public func begin(willWork: Bool = true) {
    isUnused.update(repeating: willWork, count: segments.last ?? 0)
    if !willWork { memory.update(repeating: 0, count: layout.count) }
    (memory + layout.count).update(repeating: 0, count: elements - layout.count)
  }

  /// The exponents saved with a checkpoint.
  public func restore(exponents saved: [Int]) {
    precondition(saved.count == exponents.count, "\(saved.count) exponents for \(exponents.count) tensors")
    exponents = saved
    provisional = false
    for entry in overflowed.indices { overflowed[entry] = false }
  }

  /// As before the first step: exponents are guesses, and nothing is summed.
  public func restart() {
    restore(exponents: [Int](repeating: Self.firstExponent, count: exponents.count))
    provisional = arithmetic == .exact
  }

  /// The first element that some thread may still add to: everything below is final on this rank.
  public var completed: Int { sinks.map(\.watermark).min() ?? 0 }

  /// Writes the counts of overflows and non-finite gradients behind the last element.
  func writeFlags() {
    let counts = memory + layout.count
    for entry in layout.entries {
      // A tensor handed over several times per micro-batch has so many times less room.
      let limit = Float(exactLimit * inverseScale(entry.index) / Double(max(entry.spec.uses, 1) * passes))
      for sink in sinks {
        let largest = Float(bitPattern: sink.largest[entry.index])
        if arithmetic == .exact, largest >= limit {
          counts[2 * entry.index] += 1
          overflowed[entry.index] = true
        }
        counts[2 * entry.index + 1] += largest.isFinite ? 0 : 1
      }
    }
  }

  /// Adds the gradient of a whole tensor. - Returns: the bit pattern of the largest magnitude.
  fileprivate func add(_ gradient: TensorView, entry: Int) -> UInt32 {
    forEachSegment(of: layout.entries[entry].range, entry) { part, segment in
      defer { isUnused[segment] = false }
      return accumulate(gradient, from: layout.entries[entry].offset, part, entry, overwriting: isUnused[segment])
    }
  }

  /// Adds the gradient of some rows, which starts at element `offset` of the layout. - Returns: as `add`.
  fileprivate func addRow(_ gradient: TensorView, at offset: Int, entry: Int) -> UInt32 {
    forEachSegment(of: offset..<offset + gradient.count, entry) { part, segment in
      clearUnused(segment, entry)
      return accumulate(gradient, from: offset, part, entry, overwriting: false)
    }
  }

  /// Makes the rest of a tensor zero, of which only some rows got gradients.
  fileprivate func clearUnused(entry: Int) {
    _ = forEachSegment(of: layout.entries[entry].range, entry) { _, segment in
      clearUnused(segment, entry)
      return 0
    }
  }

  /// Runs `body` under the lock of each stripe of a range of a tensor, with the part of the range there and the
  /// segment.
  private func forEachSegment(of range: Range<Int>, _ entry: Int, _ body: (Range<Int>, Int) -> UInt32) -> UInt32 {
    let first = Self.stripes(of: layout.entries[entry]).lowerBound
    var (largest, start): (UInt32, Int) = (0, range.lowerBound)
    while start < range.upperBound {
      let stripe = start / Self.stripe
      let part = start..<min(range.upperBound, (stripe + 1) * Self.stripe)
      let bits = locks[stripe].lock.withLock { _ in body(part, segments[entry] + stripe - first) }
      largest = max(largest, bits)
      start = part.upperBound
    }
    return largest
  }

  private func clearUnused(_ segment: Int, _ entry: Int) {
    guard isUnused[segment] else { return }
    let e = layout.entries[entry]
    let stripe = (Self.stripes(of: e).lowerBound + segment - segments[entry]) * Self.stripe
    let range = max(e.offset, stripe)..<min(e.offset + e.count, stripe + Self.stripe)
    if arithmetic == .exact {
      (memory + range.lowerBound).update(repeating: 0, count: range.count)
    } else {
      (floats + range.lowerBound).update(repeating: 0, count: range.count)
    }
    isUnused[segment] = false
  }

  /// Adds elements `part` of a gradient that starts at element `offset` of the layout.
  private func accumulate(
    _ gradient: TensorView, from offset: Int, _ part: Range<Int>, _ entry: Int, overwriting: Bool
  ) -> UInt32 {
    let view = TensorView(base: gradient.base + (part.lowerBound - offset), rows: 1, columns: part.count)
    let scale = Double(sign: .plus, exponent: exponents[entry], significand: 1)
    return arithmetic == .exact
      ? accumulateExactly(view, scale: scale, into: memory + part.lowerBound, overwriting: overwriting)
      : accumulateFloats(view, into: floats + part.lowerBound, overwriting: overwriting)
  }

  /// One thread's gradients on their way into the sum.
  public final class Sink: GradientSink, @unchecked Sendable {
    // Sendable: one thread at a time uses it; others only read `watermark`, which is atomic.
    private let owner: GradientSum
    private let buffer: Arena
    private let base: UnsafeMutablePointer<Float>
    private let uses: [Int]
    private var remaining: [Int]
    private var next = 0
    private var isLast = false
    private let published = Atomic<Int>(0)
    /// Bit patterns of the largest gradient of each tensor since `begin`.
    fileprivate private(set) var largest: [UInt32]
    /// When the last gradient was handed over, for a trace.
    private var handedOver: Int64 = 0
    private let thread: Int
    /// Called after each layer when the computing thread is the one that talks to MPI.
    public var progress: (() -> Void)?

    init(_ owner: GradientSum, passes: Int, thread: Int) {
      (self.owner, self.thread) = (owner, thread)
      let layout = owner.layout
      uses = layout.entries.map { $0.spec.uses * passes }
      remaining = uses
      largest = [UInt32](repeating: 0, count: uses.count)
      buffer = Arena(floats: layout.largestGroup)
      base = buffer.matrix(1, layout.largestGroup).base
    }

    /// Before the first micro-batch of a step. `willWork` is false for a thread that has none.
    public func begin(willWork: Bool) {
      for i in largest.indices { largest[i] = 0 }
      published.store(willWork ? 0 : owner.layout.count, ordering: .releasing)
    }

    /// Before each micro-batch; in the last one of this thread finished ranges are announced.
    public func beginMicroBatch(isLast: Bool) {
      remaining = uses
      next = 0
      self.isLast = isLast
      handedOver = Trace.isOn ? Trace.now : 0
    }

    /// After each micro-batch. - Precondition: every parameter got all its gradients.
    public func endMicroBatch() {
      precondition(
        next == uses.count,
        "backward ended without the gradient of \(next < uses.count ? owner.layout.entries[next].name : "")")
    }

    var watermark: Int { published.load(ordering: .acquiring) }

    public func scratch(for group: Range<Int>) -> UnsafeMutablePointer<Float> {
      let size = owner.layout.floats(group).count
      precondition(size <= buffer.capacity ?? 0, "a gradient of \(size) floats in scratch for \(buffer.capacity ?? 0)")
      return base
    }

    public func add(_ group: Range<Int>) {
      let start = owner.layout.entries[group.lowerBound].offset
      Trace.record(
        "to the gradient of \(owner.layout.entries[group.lowerBound].name)", thread: thread, since: handedOver)
      let begin = Trace.isOn ? Trace.now : 0
      for index in group {
        let entry = owner.layout.entries[index]
        let gradient = TensorView(base: base + (entry.offset - start), rows: 1, columns: entry.count)
        largest[index] = max(largest[index], owner.add(gradient, entry: index))
        used(index)
      }
      Trace.record("exact sum", thread: thread, since: begin)
      advance()
      handedOver = Trace.isOn ? Trace.now : 0
    }

    public func addRows(_ rows: [Int32], _ gradient: TensorView, of entry: Int) {
      let e = owner.layout.entries[entry]
      precondition(
        gradient.rows == rows.count && gradient.columns == e.columns, "one gradient row of \(e.columns) per row")
      for (i, row) in rows.enumerated() {
        let bits = owner.addRow(gradient.rows(i..<i + 1), at: e.offset + Int(row) * e.columns, entry: entry)
        largest[entry] = max(largest[entry], bits)
      }
      owner.clearUnused(entry: entry)
      used(entry)
      advance()
    }

    private func used(_ entry: Int) {
      precondition(
        remaining[entry] > 0,
        "\(owner.layout.entries[entry].name) got more gradients than the \(uses[entry]) it declares")
      remaining[entry] -= 1
    }

    private func advance() {
      while next < remaining.count, remaining[next] == 0 { next += 1 }
      if isLast {
        published.store(
          next < remaining.count ? owner.layout.entries[next].offset : owner.layout.count, ordering: .releasing)
      }
      Heartbeat.beat()
      progress?()
    }
  }
}
