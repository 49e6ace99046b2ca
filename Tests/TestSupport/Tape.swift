/// A reverse-mode tape over matrices of doubles. It exists for tests alone: a reference is written as plain formulas,
/// and its gradient comes from here, checked by five-point differences.
///
/// Speed and memory do not matter; every operation keeps its operands until `backward` has run.
public final class Tape {
  /// Without recording, values are computed and nothing is kept: what differences need.
  public let isRecording: Bool
  private var pulls: [() -> Void] = []

  public init(recording: Bool = true) { isRecording = recording }

  /// A matrix that came from outside: a parameter, an input, a constant.
  public func leaf(_ rows: Int, _ columns: Int, _ data: [Double]) -> Value {
    precondition(data.count == rows * columns, "\(data.count) values for a leaf of \(rows) × \(columns)")
    return Value(self, rows, columns, data)
  }

  public func scalar(_ value: Double) -> Value { leaf(1, 1, [value]) }

  func record(_ pull: @escaping () -> Void) { if isRecording { pulls.append(pull) } }

  /// Gradients of Σ seed · value for everything the value was made of.
  public func backward(from value: Value, seed: [Double]) {
    precondition(isRecording, "a tape that does not record has no gradients")
    precondition(seed.count == value.data.count, "\(seed.count) seeds for \(value.data.count) values")
    value.gradient = seed
    for pull in pulls.reversed() { pull() }
    // The closures hold values, which hold the tape.
    pulls = []
  }

  public func backward(from value: Value) {
    backward(from: value, seed: [Double](repeating: 1, count: value.data.count))
  }
}

/// A matrix on a tape.
public final class Value {
  public let tape: Tape
  public let rows: Int
  public let columns: Int
  public let data: [Double]
  public internal(set) var gradient: [Double]

  init(_ tape: Tape, _ rows: Int, _ columns: Int, _ data: [Double]) {
    (self.tape, self.rows, self.columns, self.data) = (tape, rows, columns, data)
    gradient = tape.isRecording ? [Double](repeating: 0, count: data.count) : []
  }

  /// A value whose gradient is handed on by `pull`, given itself.
  static func made(_ tape: Tape, _ rows: Int, _ columns: Int, _ data: [Double], _ pull: @escaping (Value) -> Void)
    -> Value
  {
    let value = Value(tape, rows, columns, data)
    tape.record { pull(value) }
    return value
  }
}
