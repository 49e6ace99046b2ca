@testable import Configuration
import Core
@testable import Evaluation
@testable import Measures
import Testing

@Suite struct OptionSentenceTests {
  /// docs/configuration.md says something of every option of every measure.
  @Test(arguments: MeasureRegistry.entries.map(\.name)) func everyOptionHasASentence(name: String) throws {
    let entry = try #require(MeasureRegistry.entry(named: name))
    #expect(entry.keys.filter { $0.sentence.count <= 8 || !$0.sentence.hasSuffix(".") }.map(\.key) == [])
    #expect(!entry.keys.isEmpty)
  }

  /// A part of a split is divided by the bytes of that part: of long tokens there are fewer for the same text.
  @Test func bytesAreThoseOfTheTokens() {
    let bytes = TextBytes(lengths: [1, 4, 0], counts: [2, 1, 1], textBytes: 12)
    #expect(bytes.ofIds == [2, 8, 0])
    #expect(bytes.count([0, 1, 2, 7]) == 10)
  }
}
