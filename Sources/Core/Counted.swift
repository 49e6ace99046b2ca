/// A count with its noun: `1 step`, `2 steps`, `0 batches`.
///
/// - Parameter plural: where it is not the noun with an s.
public func counted(_ count: Int, _ noun: String, _ plural: String? = nil) -> String {
  "\(count) \(count == 1 ? noun : plural ?? noun + "s")"
}
