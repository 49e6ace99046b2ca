import Collectives
import Core
import Foundation

/// A trace in the JSON form of Chrome's Trace Event Format, which Perfetto (ui.perfetto.dev) opens: a process for each
/// rank, a track for each thread.
public enum TraceFile {
  private struct Event: Encodable {
    var name: String
    /// X for a span, M for a name.
    var ph: String
    var pid: Int
    var tid: Int
    /// Microseconds.
    var ts: Double?
    var dur: Double?
    var args: [String: String]?
  }

  /// The file of all ranks, on rank 0; nil on the others. Collective.
  public static func gather(_ spans: [Trace.Span], host: String, _ communicator: any Communicator) throws -> Data? {
    let rank = communicator.rank
    var events = [Event(name: "process_name", ph: "M", pid: rank, tid: 0, args: ["name": "rank \(rank) on \(host)"])]
    for thread in Set(spans.map(\.thread)).sorted() {
      let name = thread == 0 ? "main thread" : "computing thread \(thread - 1)"
      events.append(Event(name: "thread_name", ph: "M", pid: rank, tid: thread, args: ["name": name]))
    }
    events += spans.map {
      Event(
        name: $0.name, ph: "X", pid: rank, tid: $0.thread, ts: Double($0.start) / 1000,
        dur: Double($0.end - $0.start) / 1000)
    }
    let encoder = JSONEncoder()
    let mine = Array(try encoder.encode(events).dropFirst().dropLast())
    // All ranks give as many bytes: blanks fill up, which JSON allows.
    let most = try communicator.maximum(mine.count)
    let all = try communicator.allGather(mine + [UInt8](repeating: UInt8(ascii: " "), count: most - mine.count))
    guard rank == 0 else { return nil }
    let joined = Data(all.joined(separator: [UInt8(ascii: ","), UInt8(ascii: "\n")]))
    return Data("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[".utf8) + joined + Data("]}\n".utf8)
  }
}
