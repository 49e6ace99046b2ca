import Core
import Objectives
import TestSupport
import Testing

/// Every objective of the registry, and the toys that prove the protocol's shape.
@Suite struct ConformanceTests {
  static let names = ObjectiveRegistry.entries.map(\.name)

  @Test(arguments: names)
  func registered(name: String) throws {
    let faults = checkObjective(try #require(ObjectiveRegistry.entry(named: name)))
    #expect(faults == [], "\(faults.joined(separator: "\n"))")
  }

  @Test func teacher() { #expect(checkObjective(ObjectiveEntry(ToyTeacher.self)) == []) }
  @Test func twoTerms() { #expect(checkObjective(ObjectiveEntry(ToyTwoTerms.self)) == []) }
  @Test func patches() { #expect(checkObjective(ObjectiveEntry(ToyPatches.self)) == []) }
  @Test func series() { #expect(checkObjective(ObjectiveEntry(ToySeries.self)) == []) }
  @Test func contrast() { #expect(checkObjective(ObjectiveEntry(ToyContrastive.self)) == []) }
  @Test func codebook() { #expect(checkObjective(ObjectiveEntry(ToyCodebook.self)) == []) }

  @Test func fittingEntries() {
    let causal = ModelConfiguration.gpt2(vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1)
    var encoder = ModelConfiguration.bert(vocabSize: 9, maxPosition: 8, hiddenSize: 4, numLayers: 1, numHeads: 1)
    #expect(ObjectiveRegistry.entries(fitting: causal).first?.name == "ar")
    #expect(ObjectiveRegistry.entries(fitting: encoder).first?.name == "mlm")
    encoder.head = .replaced
    #expect(ObjectiveRegistry.entries(fitting: encoder).map(\.name) == ["electra", "electric"])
  }

  @Test func namesAreDistinct() { #expect(Set(Self.names).count == Self.names.count) }
}
