import Core
import Glibc

/// Memory of one owner, allocated once: layers take their matrices before the first step and keep them.
///
/// `Arena.sized` runs the code that takes matrices twice: first to count floats, then in an arena of that size.
///
/// Invariant: `memory` is one allocation of `capacity` floats, 64-byte aligned, freed in `deinit`;
/// matrices never overlap and start on 64-byte boundaries.
public final class Arena {
  /// Floats handed out so far, padding included.
  public private(set) var used = 0
  /// Floats there are; nil while counting.
  public let capacity: Int?
  private let memory: UnsafeMutablePointer<Float>
  private let mapped: Int

  public convenience init(floats: Int) { self.init(capacity: floats) }

  /// An arena of exactly the size that `build` needs, and what `build` made in it. The value's views are valid as long
  /// as the arena.
  ///
  /// - Parameter build: takes its matrices from the arena, without touching them. It runs twice, and the first result
  ///   is dropped.
  public static func sized<Value>(_ build: (Arena) -> Value) -> (arena: Arena, value: Value) {
    let arena = Arena(floats: floats(of: build))
    return (arena, build(arena))
  }

  /// How many floats `build` takes, padding included.
  /// - Parameter build: takes its matrices from the arena, without touching them.
  public static func floats<Value>(of build: (Arena) -> Value) -> Int {
    let counting = Arena(capacity: nil)
    _ = build(counting)
    return counting.used
  }

  private init(capacity: Int?) {
    self.capacity = capacity
    mapped = max(capacity ?? 0, 16) * MemoryLayout<Float>.stride
    memory = mapFloats(bytes: mapped)
  }

  deinit { munmap(memory, mapped) }

  /// An uninitialised matrix (zero pages at first). - Precondition: it fits.
  public func matrix(_ rows: Int, _ columns: Int) -> TensorView {
    let size = paddedCount(rows * columns)
    guard let capacity else {
      used += size
      return TensorView(base: memory, rows: rows, columns: columns)
    }
    precondition(
      used + size <= capacity, "the arena has \(capacity - used) floats left, too few for \(rows) × \(columns)")
    defer { used += size }
    return TensorView(base: memory + used, rows: rows, columns: columns)
  }

  /// Writes `value` everywhere. Tests fill arenas with NaN to find reads of uninitialised memory.
  public func fill(_ value: Float) { memory.update(repeating: value, count: capacity ?? 0) }
}

/// `count` rounded up to whole 64-byte lines of floats.
@inlinable public func paddedCount(_ count: Int) -> Int { (count + 15) & ~15 }

/// Zeroed memory from mmap, page-aligned. Pages that are never touched take no memory.
func mapFloats(bytes: Int) -> UnsafeMutablePointer<Float> {
  guard let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), base != MAP_FAILED
  else { refuse(bytes) }
  // Large pages save first-touch faults and TLB misses where the system has them; it may ignore the request.
  madvise(base, bytes, 14)
  return base.assumingMemoryBound(to: Float.self)
}

/// Memory for `count` values, uninitialised; freed with `deallocate`. Ends the process if the system has too little
/// memory.
public func allocate<Value>(_ type: Value.Type, count: Int) -> UnsafeMutablePointer<Value> {
  var base: UnsafeMutableRawPointer?
  let bytes = max(count, 1) * MemoryLayout<Value>.stride
  guard posix_memalign(&base, 64, bytes) == 0, let base else { refuse(bytes) }
  return base.bindMemory(to: type, capacity: max(count, 1))
}

/// Ends the process with an error message. mpirun then ends the other ranks.
private func refuse(_ bytes: Int) -> Never {
  let sentence =
    "error: the system refused \(bytes >> 20) MiB of memory: see ulimit -v, the limit of the control group, and vm.overcommit_memory; "
    + "lockstep train --dry-run shows what a run needs.\n"
  _ = sentence.withCString { write(2, $0, strlen($0)) }
  _exit(ExitCode.usage.rawValue)
}
