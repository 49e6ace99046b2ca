import Core
import Tensors

/// One row of doubles per micro-batch of the whole batch. Every micro-batch writes its own row on whichever worker has
/// it; the sum over ranks adds zeros, which is exact, and rows are then added in index order: the result has one value
/// whatever the partition.
///
/// Invariant: a row is written by the one worker that has its micro-batch.
public final class MicroBatchTable: @unchecked Sendable {
  // Sendable: rows are disjoint, and reading begins when all workers have finished.
  public let rows: Int
  public let columns: Int
  private let cells: UnsafeMutableBufferPointer<Double>

  public init(rows: Int, columns: Int) {
    (self.rows, self.columns) = (rows, columns)
    cells = .allocate(capacity: max(rows * columns, 1))
    cells.initialize(repeating: 0)
  }

  deinit { cells.deallocate() }

  public func clear() { cells.update(repeating: 0) }

  public func set(_ row: Int, _ values: [Double]) {
    precondition(
      values.count == columns && row < rows, "row \(row) of \(rows) with \(values.count) of \(columns) values")
    for (i, value) in values.enumerated() { cells[row * columns + i] = value }
  }

  /// The rows as this rank has them.
  public var local: [[Double]] { (0..<rows).map { Array(cells[$0 * columns..<($0 + 1) * columns]) } }

  /// All rows, summed over ranks.
  public func gather(_ communicator: any Communicator) throws(CollectiveError) -> [[Double]] {
    var nothing: [Double] = []
    return try gather(communicator, with: &nothing)
  }

  /// The same, with further numbers that are summed over ranks in the same message.
  public func gather(_ communicator: any Communicator, with more: inout [Double]) throws(CollectiveError) -> [[Double]]
  {
    var values = Array(cells[..<(rows * columns)]) + more
    if communicator.size > 1 { try communicator.allReduce(&values, .sum) }
    more = Array(values[(rows * columns)...])
    return (0..<rows).map { Array(values[$0 * columns..<($0 + 1) * columns]) }
  }

  /// Column sums over all rows in index order.
  public func total(_ communicator: any Communicator) throws(CollectiveError) -> [Double] {
    try gather(communicator).reduce([Double](repeating: 0, count: columns)) { sums, row in
      zip(sums, row).map { $0 + $1 }
    }
  }
}
