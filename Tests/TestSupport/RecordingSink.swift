import Kernels
import Tensors

/// A gradient sink for tests: adds plain floats, counts uses, and shows reads of what was never written as NaNs.
public final class RecordingSink: GradientSink {
  public let layout: ParameterLayout
  /// Summed gradients, laid out as the parameters.
  public private(set) var gradients: [Float]
  public private(set) var uses: [Int]
  /// Entries in the order in which they got their last gradient.
  public private(set) var completed: [Int] = []
  private let arena: Arena
  private let base: UnsafeMutablePointer<Float>

  public init(_ layout: ParameterLayout) {
    self.layout = layout
    gradients = [Float](repeating: 0, count: layout.count)
    uses = [Int](repeating: 0, count: layout.entries.count)
    arena = Arena(floats: layout.largestGroup)
    base = arena.matrix(1, layout.largestGroup).base
    arena.fill(.nan)
  }

  public func scratch(for group: Range<Int>) -> UnsafeMutablePointer<Float> {
    precondition(
      layout.floats(group).count <= layout.largestGroup, "the entries \(group) were never declared as a group")
    return base
  }

  public func add(_ group: Range<Int>) {
    let start = layout.entries[group.lowerBound].offset
    for index in group {
      let entry = layout.entries[index]
      for i in 0..<entry.count { gradients[entry.offset + i] += base[entry.offset - start + i] }
      used(index)
    }
    arena.fill(.nan)
  }

  public func addRows(_ rows: [Int32], _ gradient: TensorView, of entry: Int) {
    let e = layout.entries[entry]
    precondition(Set(rows).count == rows.count, "\(e.name) got a row twice in one hand-over")
    precondition(gradient.rows == rows.count && gradient.columns == e.columns, "one row of \(e.columns) a row number")
    for (i, row) in rows.enumerated() {
      for k in 0..<e.columns { gradients[e.offset + Int(row) * e.columns + k] += gradient[i, k] }
    }
    used(entry)
  }

  private func used(_ entry: Int) {
    uses[entry] += 1
    if uses[entry] == layout.entries[entry].spec.uses { completed.append(entry) }
  }

  public func gradient(_ entry: ParameterLayout.Entry) -> [Float] { Array(gradients[entry.range]) }

  /// Parameters that got more or fewer gradients than they declare for `passes` backward passes.
  public func wrongUses(passes: Int = 1) -> [String] {
    layout.entries.compactMap { entry in
      let wanted = entry.spec.uses * passes
      return uses[entry.index] == wanted
        ? nil : "\(entry.name) got \(uses[entry.index]) gradients and declares \(wanted)"
    }
  }
}
