import Tensors
import Testing

@Suite struct ParameterTests {
  private func layout(_ specs: [ParameterSpec]) -> ParameterLayout {
    var layout = ParameterLayout()
    for spec in specs { layout.append(spec) }
    return layout
  }

  private let specs = [
    ParameterSpec("a", [3, 5], decay: true, .normal(0.02)), ParameterSpec("b", [16], decay: false, .zeros),
    ParameterSpec("c", [17], decay: false, .ones), ParameterSpec("d", [1000, 7], decay: true, .normal(0.5)),
  ]

  @Test func entriesStartOnLinesAndDoNotOverlap() {
    let layout = layout(specs)
    #expect(layout.entries.map(\.offset) == [0, 16, 32, 64])
    #expect(layout.entries.map(\.count) == [15, 16, 17, 7000])
    #expect(layout.count == 64 + 7008)
    #expect(layout.parameterCount == 15 + 16 + 17 + 7000)
    #expect(layout.end(of: 2) == 64 && layout.end(of: 3) == layout.count)
    #expect(layout.entries[0].rows == 3 && layout.entries[1].rows == 1 && layout.entries[1].columns == 16)
    #expect(layout.entry(named: "c")?.index == 2 && layout.entry(named: "e") == nil)
  }

  @Test func groupsKnowTheirFloats() {
    var layout = layout(specs)
    #expect(layout.largestGroup == 0)
    #expect(layout.group(0..<2) == 0..<2 && layout.largestGroup == 32)
    #expect(layout.group(from: 2) == 2..<4 && layout.largestGroup == 32 + 7008)
    layout.group(1..<2)
    #expect(layout.largestGroup == 32 + 7008)
    #expect(layout.floats(1..<3) == 16..<64)
    #expect(layout.floats(2..<2).isEmpty)
  }

  @Test func paddingStaysZero() {
    let store = ParameterStore(layout(specs))
    store.initialize(seed: 3)
    let all = store.all.array
    let inside = store.layout.entries.reduce(into: Set<Int>()) { $0.formUnion($1.range) }
    for i in all.indices where !inside.contains(i) { #expect(all[i] == 0) }
    #expect(store.view(1).array.allSatisfy { $0 == 0 } && store.view(2).array.allSatisfy { $0 == 1 })
  }

  /// Values belong to (seed, name, element): other parameters, and the order, do not matter.
  @Test func initializationDoesNotDependOnTheLayout() {
    let forward = ParameterStore(layout(specs))
    let backward = ParameterStore(layout(specs.reversed()))
    forward.initialize(seed: 3)
    backward.initialize(seed: 3)
    for (i, spec) in specs.enumerated() {
      #expect(forward.view(i).array == backward.view(specs.count - 1 - i).array, "\(spec.name)")
    }
    let alone = ParameterStore(layout([specs[3]]))
    alone.initialize(seed: 3)
    #expect(alone.view(0).array == forward.view(3).array)
    alone.initialize(seed: 4)
    #expect(alone.view(0).array != forward.view(3).array)
    let renamed = ParameterStore(layout([ParameterSpec("e", [1000, 7], decay: true, .normal(0.5))]))
    renamed.initialize(seed: 3)
    #expect(renamed.view(0).array != forward.view(3).array)
  }

  /// Moments of 7000 normal numbers: each bound is about five deviations of its estimate.
  @Test func initialValuesAreNormal() {
    let store = ParameterStore(layout(specs))
    store.initialize(seed: 11)
    let x = store.view(3).array.map { Double($0) / 0.5 }
    func moment(_ power: Int) -> Double { x.reduce(0) { $0 + pow($1, power) } / 7000 }
    func pow(_ x: Double, _ n: Int) -> Double { (0..<n).reduce(1.0) { y, _ in y * x } }
    #expect(abs(moment(1)) < 0.06 && abs(moment(2) - 1) < 0.085 && abs(moment(3)) < 0.23 && abs(moment(4) - 3) < 0.6)
    // Neighbours come from one pair of uniform numbers and must not be correlated.
    let neighbours = stride(from: 0, to: 7000, by: 2).reduce(0.0) { $0 + x[$1] * x[$1 + 1] } / 3500
    #expect(abs(neighbours) < 0.085)
  }
}
