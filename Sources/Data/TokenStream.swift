import Core

/// All tokens of a split, one after the other, with the documents they belong to.
protocol TokenStream: Sendable {
  var tokenCount: Int { get }
  /// The token at which each document begins, rising.
  var documentStarts: [Int] { get }

  func token(at index: Int) -> Int32

  /// Copies `count` tokens from `start` on into `batch` at `offset`, with the number of each one's document,
  /// counted from 0 at the document that holds `start`. All of `start ..< start + count` exists.
  func copy(_ count: Int, from start: Int, into batch: inout SampleBatch, at offset: Int) throws
}

/// The tokens of several shards, in their order. A document never crosses from one shard to the next.
struct ShardStream: TokenStream {
  let shards: [Shard]
  /// The token of the stream at which each shard begins, and last the number of tokens.
  private let starts: [Int]

  init(_ shards: [Shard]) {
    self.shards = shards.filter { $0.tokenCount > 0 }
    self.starts = self.shards.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.tokenCount) }
  }

  var tokenCount: Int { starts[starts.count - 1] }

  var documentStarts: [Int] {
    shards.indices.flatMap { index in
      (0..<shards[index].documentCount).map { starts[index] + shards[index].boundary($0) }
    }
  }

  func token(at index: Int) -> Int32 {
    let shard = lastIndex(of: starts, notAbove: index)
    return shards[shard].token(index - starts[shard])
  }

  func copy(_ count: Int, from start: Int, into batch: inout SampleBatch, at offset: Int) throws {
    var (position, documentID, place) = (start, Int32(0), offset)
    var shardIndex = lastIndex(of: starts, notAbove: start)
    while position < start + count {
      let shard = shards[shardIndex]
      let first = position - starts[shardIndex]
      let last = min(shard.tokenCount, first + start + count - position)
      try shard.copy(first..<last, into: &batch.tokens, at: place)
      number(first..<last, of: shard, from: &documentID, in: &batch.documentIDs, at: place)
      place += last - first
      position += last - first
      shardIndex += 1
      documentID += 1
    }
  }

  /// Writes the document ids of a range of one shard; `documentID` is that of the first document, then of the last.
  private func number(
    _ range: Range<Int>, of shard: Shard, from documentID: inout Int32, in documentIDs: inout [Int32], at offset: Int
  ) {
    var document = shard.documentIndex(ofToken: range.lowerBound)
    var end = shard.boundary(document + 1)
    for index in range {
      if index == end {
        documentID += 1
        document += 1
        end = shard.boundary(document + 1)
      }
      documentIDs[offset + index - range.lowerBound] = documentID
    }
  }
}

/// Tokens in memory.
struct ArrayStream: TokenStream {
  let tokens: [Int32]
  /// The token at which each document begins; rising, the first is 0.
  let documentStarts: [Int]

  var tokenCount: Int { tokens.count }

  func token(at index: Int) -> Int32 { tokens[index] }

  func copy(_ count: Int, from start: Int, into batch: inout SampleBatch, at offset: Int) {
    let first = lastIndex(of: documentStarts, notAbove: start)
    var document = first
    for index in start..<start + count {
      if document + 1 < documentStarts.count, documentStarts[document + 1] == index { document += 1 }
      batch.tokens[offset + index - start] = tokens[index]
      batch.documentIDs[offset + index - start] = Int32(document - first)
    }
  }
}

/// The last place of a strictly rising array whose element is not above `value`; the first element is not above it.
func lastIndex(of rising: [Int], notAbove value: Int) -> Int {
  var (low, high) = (0, rising.count)
  while high - low > 1 {
    let middle = (low + high) / 2
    if rising[middle] <= value { low = middle } else { high = middle }
  }
  return low
}
