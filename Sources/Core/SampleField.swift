/// A named array beside the main input of a batch: labels, groups, codes, coordinates, a second modality. Ids or
/// numbers, not both.
public struct SampleField: Sendable, Equatable {
  public var name: String
  /// Entries per sample.
  public var length: Int
  /// Numbers per entry; 1 for ids.
  public var size: Int
  /// [count, length]; empty for numbers.
  public var ids: [Int32]
  /// [count, length, size]; empty for ids.
  public var numbers: [Float]

  public init(_ name: String, length: Int = 1, ids: [Int32]) {
    precondition(length > 0 && ids.count % length == 0, "\(ids.count) ids of \(name) for samples of \(length)")
    (self.name, self.length, size, self.ids, numbers) = (name, length, 1, ids, [])
  }

  public init(_ name: String, length: Int = 1, size: Int, numbers: [Float]) {
    precondition(
      length > 0 && size > 0 && numbers.count % (length * size) == 0,
      "\(numbers.count) numbers of \(name) for samples of \(length) × \(size)")
    (self.name, self.length, self.size, ids, self.numbers) = (name, length, size, [], numbers)
  }

  /// Samples.
  public var count: Int { ids.isEmpty ? numbers.count / max(length * size, 1) : ids.count / max(length, 1) }

  /// The same followed by `extra` samples of id -1, or of zeros.
  func padded(by extra: Int) -> SampleField {
    var result = self
    if numbers.isEmpty {
      result.ids += [Int32](repeating: -1, count: extra * length)
    } else {
      result.numbers += [Float](repeating: 0, count: extra * length * size)
    }
    return result
  }

  /// The samples in these rows, in this order.
  func taking(_ rows: [Int]) -> SampleField {
    var result = self
    result.ids = ids.isEmpty ? [] : rows.flatMap { ids[$0 * length..<($0 + 1) * length] }
    result.numbers = numbers.isEmpty ? [] : rows.flatMap { numbers[$0 * length * size..<($0 + 1) * length * size] }
    return result
  }
}
