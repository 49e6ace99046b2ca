/// The merging rules in the form encoding wants them.
struct BytePairModel: Sendable {
  /// First symbol of each byte; -1 for a byte without one, which is left out.
  let byteIDs: [Int32]
  /// (left, right) → rank in the high half, id of the merged symbol in the low one: the least value merges first.
  let merges: PairMap
  /// Pieces that are tokens whatever their merges, as bytes; nil unless merges are to be ignored.
  let wholePieces: (strings: ByteStrings, ids: [Int32])?

  /// `merged` is the id of each merge's result, in the order of the definition's merges.
  init(_ definition: BytePairDefinition, merged: [Int32]) {
    var byteIDs = [Int32](repeating: definition.unknown ?? -1, count: 256)
    var whole = ByteStrings(capacity: definition.ignoresMerges ? definition.tokens.count : 0)
    var wholeIDs: [Int32] = []
    for (id, token) in definition.tokens.enumerated() {
      guard definition.ignoresMerges || token.count <= 2, let bytes = ByteAlphabet.bytes(of: token) else { continue }
      if bytes.count == 1 { byteIDs[Int(bytes[0])] = Int32(id) }
      if definition.ignoresMerges, whole.insert(bytes).isNew { wholeIDs.append(Int32(id)) }
    }
    var merges = PairMap(capacity: definition.merges.count)
    for (rank, pair) in definition.merges.enumerated() {
      merges.set(PairMap.key(pair.left, pair.right), UInt64(rank) << 32 | UInt64(merged[rank]))
    }
    self.byteIDs = byteIDs
    self.merges = merges
    self.wholePieces = definition.ignoresMerges ? (whole, wholeIDs) : nil
  }
}
