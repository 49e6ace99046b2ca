import Core
import Tensors
import Testing

@testable import Collectives

/// What a sum holds after several steps over the same memory.
struct GradientSumTests {
  /// A tensor that spans stripes, one that shares a stripe with it, and one whose gradients are rows.
  private let layout: ParameterLayout = {
    var layout = ParameterLayout()
    layout.append(ParameterSpec("wide", [3, GradientSum.stripe / 2], decay: true, .zeros))
    layout.append(ParameterSpec("small", [5], decay: true, .zeros))
    for entry in 0..<2 { layout.group(entry..<entry + 1) }
    layout.append(ParameterSpec("rows", [4, 3], decay: true, .zeros))
    return layout
  }()

  /// Adds `value` everywhere to the first two tensors and to row 2 of the third.
  private func add(_ value: Float, _ sink: GradientSum.Sink, isLast: Bool) {
    sink.beginMicroBatch(isLast: isLast)
    let arena = Arena(floats: 64)
    let row = arena.matrix(1, 3)
    for j in 0..<3 { row.base[j] = value }
    for entry in 0..<2 {
      let scratch = sink.scratch(for: entry..<entry + 1)
      for i in 0..<layout.entries[entry].count { scratch[i] = value }
      sink.add(entry..<entry + 1)
    }
    withExtendedLifetime(arena) { sink.addRows([2], row, of: 2) }
    sink.endMicroBatch()
  }

  private func values(_ sum: GradientSum, _ entry: Int) -> [Double] {
    let e = layout.entries[entry]
    return (e.offset..<e.offset + e.count).map { i in
      sum.arithmetic == .exact
        ? Double(sum.memory[i]) * Double(sign: .plus, exponent: -sum.exponents[entry], significand: 1)
        : Double(sum.floats[i])
    }
  }

  @Test(arguments: [SumArithmetic.exact, .float]) func nothingOfAnEarlierStepStays(arithmetic: SumArithmetic) {
    let sum = GradientSum(layout, arithmetic: arithmetic)
    let sinks = [sum.makeSink(), sum.makeSink()]
    for step in 1...3 {
      sum.begin()
      for sink in sinks { sink.begin(willWork: true) }
      // Both threads add in both micro-batches: only the very first gradient overwrites.
      for isLast in [false, true] { for sink in sinks { add(Float(step), sink, isLast: isLast) } }
      let total = Double(4 * step)
      #expect(values(sum, 0).allSatisfy { $0 == total })
      #expect(values(sum, 1).allSatisfy { $0 == total })
      #expect(values(sum, 2) == (0..<12).map { 6..<9 ~= $0 ? total : 0 })
    }
  }

  @Test(arguments: [SumArithmetic.exact, .float]) func aRankWithoutWorkHasASumOfZero(arithmetic: SumArithmetic) {
    let sum = GradientSum(layout, arithmetic: arithmetic)
    let sink = sum.makeSink()
    sum.begin()
    sink.begin(willWork: true)
    add(1, sink, isLast: true)
    sum.begin(willWork: false)
    for entry in layout.entries.indices { #expect(values(sum, entry).allSatisfy { $0 == 0 }) }
  }
}
