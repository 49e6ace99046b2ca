import Tensors
import Testing

@Suite struct ArenaTests {
  /// The counted size is the size that is used.
  @Test func sized() {
    func ask(_ arena: Arena) -> [TensorView] { [(3, 5), (0, 7), (1, 16), (17, 1)].map { arena.matrix($0.0, $0.1) } }
    #expect(Arena.floats(of: ask) == 16 + 0 + 16 + 32)
    let (arena, views) = Arena.sized(ask)
    #expect(arena.used == 16 + 0 + 16 + 32 && arena.capacity == arena.used)
    for view in views { #expect(Int(bitPattern: view.base) % 64 == 0) }
    for (i, view) in views.enumerated() { view.fill(Float(i + 1)) }
    for (i, view) in views.enumerated() { #expect(view.array.allSatisfy { $0 == Float(i + 1) }) }
  }

  @Test func fillingShowsReadsOfWhatWasNeverWritten() {
    let arena = Arena(floats: 64)
    arena.fill(.nan)
    #expect(arena.matrix(2, 3).array.allSatisfy { $0.isNaN })
  }

  @Test func views() {
    let arena = Arena(floats: 64)
    let x = arena.matrix(3, 4)
    x.copy(from: (0..<12).map(Float.init))
    #expect(x[1, 2] == 6 && x[7] == 7 && x.count == 12)
    #expect(x.rows(1..<3).array == [4, 5, 6, 7, 8, 9, 10, 11] && x.first(1).array == [0, 1, 2, 3])
    #expect(x.shaped(2, 5)[1, 0] == 5)
    x.rows(2..<3)[0, 1] = -1
    #expect(x[2, 1] == -1)
    let y = arena.matrix(4, 3)
    y.copy(from: x)
    #expect(y.array == x.array)
  }
}
