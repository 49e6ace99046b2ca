import Kernels
import Testing

@Suite struct BLASTests {
  /// OpenBLAS composes its description in a static buffer: readers at the same time would see each other's halves.
  @Test func identityIsTheSameForReadersAtTheSameTime() async {
    let found = await withTaskGroup(of: Set<String>.self) { group in
      for _ in 0..<8 {
        group.addTask { Set((0..<5_000).map { _ in BLAS.identity.configuration }) }
      }
      return await group.reduce(into: Set<String>()) { $0.formUnion($1) }
    }
    #expect(found.count == 1, "\(found.sorted())")
    #expect(found.first?.hasPrefix("OpenBLAS ") == true)
  }
}
