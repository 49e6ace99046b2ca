/// Pieces seen during one call of `encode`, with their ids. Nothing is shared between threads.
struct PieceMemory {
  private var seen: ByteStrings
  /// Ids of piece `i` are `pool[starts[i] ..< starts[i + 1]]`.
  private var starts = [0]
  private var pool: [Int32] = []

  private static let mostPieces = 1 << 16
  /// Longer pieces are rarely seen twice.
  static let longestPiece = 64

  /// - Parameter bytes: length of the text to come; a short text gets a small memory.
  init(expecting bytes: Int) {
    seen = ByteStrings(capacity: min(max(bytes / 32, 16), Self.mostPieces / 4))
  }

  /// Appends the ids of `piece` if it was seen before.
  mutating func recall(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) -> Bool {
    guard piece.count <= Self.longestPiece, let index = seen.find(piece) else { return false }
    for position in starts[index]..<starts[index + 1] { ids.append(pool[position]) }
    return true
  }

  /// Keeps the ids of `piece`, which `recall` did not know.
  mutating func remember(_ piece: UnsafeBufferPointer<UInt8>, _ ids: ArraySlice<Int32>) {
    guard piece.count <= Self.longestPiece, seen.count < Self.mostPieces else { return }
    _ = seen.insert(piece)
    pool.append(contentsOf: ids)
    starts.append(pool.count)
  }
}
