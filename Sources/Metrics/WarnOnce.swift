import Synchronization

/// Says each warning once, however often and from however many threads it comes.
public final class WarnOnce: Sendable {
  private let said = Mutex<Set<String>>([])
  private let sink: @Sendable (String) -> Void

  public init(_ sink: @escaping @Sendable (String) -> Void) { self.sink = sink }

  /// - Parameter key: what makes two warnings the same; the text itself when nil.
  /// - Returns: whether it was said now.
  @discardableResult
  public func callAsFunction(_ text: String, key: String? = nil) -> Bool {
    let isNew = said.withLock { $0.insert(key ?? text).inserted }
    if isNew { sink(text) }
    return isNew
  }
}
