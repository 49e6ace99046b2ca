import Configuration
import Core
import Data
import Training

/// Computes again which samples a run has to use, step by step, and sees that no epoch uses a sample twice, or oftener
/// than a step repeats it.
struct ExpectedSamples {
  let plan: BatchPlan
  let stream: RepeatedStream
  /// Texts per epoch.
  let texts: Int
  /// `SampleBatch.contentDigest` of every sample of the epoch; nil without a corpus, and `content` then means nothing.
  let tokens: [UInt64]?
  private let order: Order
  private var permutation: (Int) -> Int
  private var epoch: UInt64 = 0
  private var used: [UInt64]
  /// Steps whose digest was computed, and the digest of all of them.
  private(set) var steps = 0
  private(set) var total = SampleDigest()
  /// The first step that uses a sample of its epoch for the second time.
  private(set) var repeatedAt: Int?

  /// The sample at each place of an epoch.
  typealias Order = (_ epoch: UInt64) -> (Int) -> Int

  /// - Parameters:
  ///   - samplesPerEpoch: as the run counts them, copies included: a multiple of the copies of a text.
  ///   - order: the run's own unless another is given.
  init(_ configuration: RunConfiguration, samplesPerEpoch: Int, tokens: [UInt64]?, order: Order? = nil) {
    stream = configuration.stream
    let texts = samplesPerEpoch / stream.repetition.times
    precondition(texts > 0, "an epoch of no samples")
    let seed = configuration.seed
    let order =
      order ?? { epoch in
        let keyed = KeyedPermutation(count: texts, seed: seed, epoch: epoch)
        return { keyed[$0] }
      }
    plan = BatchPlan(batch: configuration.batch, microBatch: configuration.microBatch, ranks: 1, threads: 1)
    (self.texts, self.tokens, self.order) = (texts, tokens, order)
    permutation = order(0)
    used = [UInt64](repeating: 0, count: (texts + 63) / 64)
  }

  /// The token digests of all samples of an epoch. - Parameter source: the training split in the order of the corpus.
  /// - Complexity: reads every token once.
  static func tokenDigests(_ source: any SampleSource) throws -> [UInt64] {
    var digests: [UInt64] = []
    digests.reserveCapacity(source.samplesPerEpoch)
    for start in stride(from: 0, to: source.samplesPerEpoch, by: 64) {
      let samples = try source.samples(at: UInt64(start)..<UInt64(min(start + 64, source.samplesPerEpoch)))
      digests += (0..<samples.count).map(samples.contentDigest)
    }
    return digests
  }

  /// Goes on to `step` finished steps. - Returns: the digest of the steps gone over.
  /// - Complexity: about 1 µs and one bit per sample; one epoch's bits at a time.
  mutating func advance(to step: Int) -> SampleDigest {
    let before = total
    while steps < step {
      let first = UInt64(steps * stream.textsPerStep)
      let indices = (0..<UInt64(stream.textsPerStep)).map { use(first + $0) }
      var copies = Set<Copy>()
      for k in 0..<plan.microBatchCount {
        let digest = plan.positions(step: steps, microBatch: k).reduce(into: SampleDigest()) { sum, position in
          let text = stream.text(at: position)
          if stream.repetition.times > 1, !copies.insert(Copy(place: text.place, number: text.copy)).inserted {
            repeatedAt = repeatedAt ?? steps
          }
          let index = indices[Int(text.place - first)]
          sum &+= SampleDigest(position: position, index: UInt64(index), tokens: tokens?[index] ?? 0)
        }
        total &+= digest.trained(asMicroBatch: steps * plan.microBatchCount + k)
      }
      steps += 1
    }
    return total &- before
  }

  private struct Copy: Hashable {
    let place: UInt64
    let number: Int
  }

  /// The sample at a place of the stream of texts, which is noted as used. - Precondition: places rise.
  private mutating func use(_ place: UInt64) -> Int {
    let (e, place) = place.quotientAndRemainder(dividingBy: UInt64(texts))
    if e != epoch {
      // The epoch before used as many different samples as it has: all of them, unless one came twice.
      epoch = e
      permutation = order(e)
      for i in used.indices { used[i] = 0 }
    }
    let index = permutation(Int(place))
    let bit = UInt64(1) << UInt64(index & 63)
    if used[index >> 6] & bit != 0 { repeatedAt = repeatedAt ?? steps }
    used[index >> 6] |= bit
    return index
  }
}
