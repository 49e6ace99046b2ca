/// Encodes pieces by merging, remembering the ones it has seen. One per call of `encode`.
struct PieceEncoder {
  private let model: BytePairModel
  private var merger = WordMerger()
  private var memory: PieceMemory

  init(_ model: BytePairModel, expecting bytes: Int) {
    self.model = model
    memory = PieceMemory(expecting: bytes)
  }

  /// Appends the ids of `piece`. - Complexity: O(length) when seen before, else O(length · log length).
  mutating func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    if piece.count == 1 {
      let id = model.byteIDs[Int(piece[0])]
      if id >= 0 { ids.append(id) }
      return
    }
    if memory.recall(piece, into: &ids) { return }
    let before = ids.count
    if let whole = model.wholePieces, let index = whole.strings.find(piece) {
      ids.append(whole.ids[index])
    } else {
      merger.merge(piece, model, into: &ids)
    }
    memory.remember(piece, ids[before...])
  }
}
