import Synchronization

/// Records what threads of this process do and when, while it is on; costs one load of a flag while it is off.
///
/// Times count from an instant of this process; ranks are brought together by a barrier.
public enum Trace {
  /// A piece of time in which a thread did one thing.
  public struct Span: Codable, Sendable, Equatable {
    public var name: String
    /// 0 is the main thread, 1 the first computing thread, and so on.
    public var thread: Int
    /// Nanoseconds since that instant.
    public var start: Int64
    /// The same.
    public var end: Int64

    /// A span of known times.
    public init(name: String, thread: Int, start: Int64, end: Int64) {
      (self.name, self.thread, self.start, self.end) = (name, thread, start, end)
    }
  }

  private static let isRecording = Atomic<Bool>(false)
  private static let spans = Mutex<[Span]>([])
  private static let origin = ContinuousClock.now

  /// Whether anything is recorded.
  public static var isOn: Bool { isRecording.load(ordering: .relaxed) }

  /// Drops what was recorded, and records from now on.
  public static func begin() {
    spans.withLock { $0.removeAll(keepingCapacity: true) }
    isRecording.store(true, ordering: .releasing)
  }

  /// Stops. - Returns: what was recorded, in the order in which it ended.
  public static func end() -> [Span] {
    isRecording.store(false, ordering: .releasing)
    return spans.withLock { $0 }
  }

  /// Nanoseconds since some instant of this process.
  public static var now: Int64 {
    let passed = (ContinuousClock.now - origin).components
    return passed.seconds * 1_000_000_000 + passed.attoseconds / 1_000_000_000
  }

  /// Records that `thread` did `name` from `start` until now.
  public static func record(_ name: @autoclosure () -> String, thread: Int, since start: Int64) {
    guard isOn else { return }
    let span = Span(name: name(), thread: thread, start: start, end: now)
    spans.withLock { $0.append(span) }
  }

  /// Runs `body`, and records it.
  @inline(__always) public static func span<Value, Failure: Error>(
    _ name: @autoclosure () -> String, thread: Int = 0, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    guard isOn else { return try body() }
    let start = now
    defer { record(name(), thread: thread, since: start) }
    return try body()
  }
}
