/// Receives the parameter gradients of micro-batches. A layer writes a gradient once and adds it to the sink.
///
/// Several gradients of one parameter in a micro-batch are summed (tied weights). Gradients of different micro-batches
/// are summed only here.
public protocol GradientSink: AnyObject {
  /// Scratch for the gradients of entries `group` (adjacent in the layout), uninitialised, laid out as in
  /// the layout: entry e starts at `offset(e) - offset(group.lowerBound)`.
  func scratch(for group: Range<Int>) -> UnsafeMutablePointer<Float>

  /// Adds the whole scratch of `group`, counting one use of each entry.
  func add(_ group: Range<Int>)

  /// Adds `gradient` [k, columns] to the given rows of `entry`, counting one use. Rows may not repeat.
  func addRows(_ rows: [Int32], _ gradient: TensorView, of entry: Int)
}

extension GradientSink {
  /// The scratch of one entry of `group` as a matrix.
  public func view(_ entry: Int, in group: Range<Int>, _ layout: ParameterLayout) -> TensorView {
    precondition(group.contains(entry), "entry \(entry) is not of the group \(group)")
    let e = layout.entries[entry]
    let base = scratch(for: group) + (e.offset - layout.entries[group.lowerBound].offset)
    return TensorView(base: base, rows: e.rows, columns: e.columns)
  }
}
