import Core

extension Corpus {
  /// How often each id stands in a split.
  /// - Throws: as `shards` does, and `DataError` for an id outside the vocabulary.
  public func idCounts(_ split: CorpusSplit) throws -> [Int] {
    var counts = [Int](repeating: 0, count: vocabulary.size)
    let piece = 1 << 16
    var tokens = [Int32](repeating: 0, count: piece)
    for shard in try shards(split) {
      for start in stride(from: 0, to: shard.tokenCount, by: piece) {
        let end = min(start + piece, shard.tokenCount)
        try shard.copy(start..<end, into: &tokens, at: 0)
        for id in tokens[..<(end - start)] { counts[Int(id)] += 1 }
      }
    }
    return counts
  }
}
