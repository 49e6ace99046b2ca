import Foundation
import Storage
import Testing

struct DecodingProblemTests {
  private struct Inner: Decodable { var warmupSteps: Int }
  private struct Outer: Decodable { var schedules: [Inner] }

  private func problem(_ json: String) -> String? {
    do {
      _ = try JSONDecoder.snakeCase().decode(Outer.self, from: Data(json.utf8))
      return nil
    } catch { return decodingProblem(error) }
  }

  @Test("a problem names the key as the file spells it")
  func keysAreNamed() {
    #expect(problem(#"{"schedules": [{"warmup_steps": 3}]}"#) == nil)
    #expect(problem("{}") == "it has no schedules")
    #expect(problem(#"{"schedules": [{"warmup_steps": 3}, {}]}"#) == "it has no schedules[1].warmup_steps")
    #expect(
      problem(#"{"schedules": [{"warmup_steps": "x"}]}"#) == "schedules[0].warmup_steps has a value that it cannot have"
    )
    #expect(problem("[1]") == "it is not an object")
  }
}
