import Core
import Kernels

/// Gathers everything that is wrong with an objective's options, each under its key.
struct OptionProblems {
  private(set) var list: [ConfigurationError.Problem] = []

  /// - Parameter sentence: without the key, such as `is 1.5; it must lie in 0...1.`
  mutating func require(_ holds: Bool, _ key: String, _ sentence: String) {
    if !holds { list.append(.init(key: "objective.\(key)", sentence: sentence)) }
  }

  mutating func require<Value: Comparable & CustomStringConvertible>(
    _ key: String, _ value: Value, in range: ClosedRange<Value>
  ) {
    require(range.contains(value), key, "is \(value); it must lie in \(range.lowerBound)...\(range.upperBound).")
  }

  mutating func add(_ error: ConfigurationError) { list += error.problems }

  /// - Throws: all of them together, where there are any.
  func throwIfAny() throws(ConfigurationError) {
    guard list.isEmpty else { throw ConfigurationError(problems: list) }
  }
}
