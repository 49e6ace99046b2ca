import Core
import Testing

@Suite(.serialized) struct TraceTests {
  @Test func recordsWhileItIsOn() throws {
    #expect(Trace.span("before") { 1 } == 1 && !Trace.isOn)
    Trace.begin()
    let start = Trace.now
    let value = Trace.span("outer", thread: 3) { Trace.span("inner") { 7 } }
    struct Stop: Error {}
    #expect(throws: Stop.self) { try Trace.span("failing") { throw Stop() } }
    // Other tests may compute meanwhile.
    let spans = Trace.end().filter { ["inner", "outer", "failing", "before", "after"].contains($0.name) }
    Trace.record("after", thread: 0, since: start)
    #expect(value == 7 && spans.map(\.name) == ["inner", "outer", "failing"])
    #expect(spans[1].thread == 3 && spans[1].start <= spans[0].start && spans[0].end <= spans[1].end)
    #expect(spans.allSatisfy { $0.start >= start && $0.end >= $0.start })
    Trace.begin()
    #expect(!Trace.end().contains { ["before", "after", "outer"].contains($0.name) })
  }
}
