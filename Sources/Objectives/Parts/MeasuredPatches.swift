import Core

extension SampleBatch {
  /// Whether number `k` of position `i` of a sample was measured; nothing of padding was.
  private func isMeasured(_ k: Int, _ i: Int, of sample: Int) -> Bool {
    documentIDs[sample * stride + i] >= 0
      && (observed.isEmpty || observed[(sample * length + i) * valueSize + k])
  }

  /// Share of the numbers of position `i` that were measured.
  func measuredShare(_ i: Int, of sample: Int) -> Float {
    Float((0..<valueSize).count { isMeasured($0, i, of: sample) }) / Float(valueSize)
  }

  /// Samples whose positions hold their numbers and then, for each, 1 where it was measured and 0 where it was not,
  /// [2 · valueSize]. Hidden positions were not measured.
  ///
  /// What was measured is standardised to (x - mean) / √(variance + 10⁻⁶) over the sample; the rest is 0, and not read.
  ///
  /// - Parameter hidden: positions of each sample.
  func measured(without hidden: [Set<Int>]) -> SampleBatch {
    var result = self
    (result.values, result.valueSize, result.observed) = ([], 2 * valueSize, [])
    result.values.reserveCapacity(2 * values.count)
    for sample in 0..<count {
      let isShown = (0..<length * valueSize).map { place in
        let i = place / valueSize
        return !hidden[sample].contains(i) && isMeasured(place % valueSize, i, of: sample)
      }
      let standard = standardized(sample, isShown)
      for start in Swift.stride(from: 0, to: length * valueSize, by: valueSize) {
        result.values += standard[start..<start + valueSize]
        result.values += isShown[start..<start + valueSize].map { $0 ? 1 : 0 }
      }
    }
    return result
  }

  /// In double precision.
  private func standardized(_ sample: Int, _ isShown: [Bool]) -> [Float] {
    let first = sample * length * valueSize
    let own = isShown.indices.filter { isShown[$0] }.map { Double(values[first + $0]) }
    let n = Double(max(own.count, 1))
    let mean = own.reduce(0, +) / n
    let deviation = (own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n + 1e-6).squareRoot()
    return isShown.indices.map { isShown[$0] ? Float((Double(values[first + $0]) - mean) / deviation) : 0 }
  }
}
