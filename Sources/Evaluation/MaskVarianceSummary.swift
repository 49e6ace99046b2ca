import Kernels

/// What several texts say together about the variance of masks.
///
/// Inside a text the mask alone varies; `betweenTexts` is what the choice of the text adds: E ‖ḡ(text) - E ḡ‖².
struct MaskVarianceSummary {
  let texts: [TextMaskVariance]
  /// K.
  let sets: Int
  /// ⟨ḡ, ḡ'⟩ of every two texts.
  private let products: [Double]

  init(_ texts: [TextMaskVariance], sets: Int) {
    (self.texts, self.sets) = (texts, sets)
    let flat = texts.flatMap(\.mean)
    products = dgemm(
      flat, flat, rows: texts.count, inner: texts[0].mean.count, columns: texts.count, transposeB: true)
  }

  var everyText: [Int] { Array(texts.indices) }

  func mean(_ chosen: [Int], _ value: (TextMaskVariance) -> Double) -> Double {
    chosen.reduce(0) { $0 + value(texts[$1]) } / Double(chosen.count)
  }

  /// Variance of the mean over K independent masks by the formula, Var / K.
  func independent(_ text: TextMaskVariance) -> Double { text.partitionVariance / Double(sets) }

  /// Variance of the mean over the K sets of a partition by the formula, Var / K + (K - 1) / K · c(2n).
  func partition(_ text: TextMaskVariance) -> Double {
    (text.partitionVariance + Double(sets - 1) * text.partitionCovariance) / Double(sets)
  }

  func ratio(_ chosen: [Int]) -> Double { mean(chosen, partition) / mean(chosen, independent) }

  func directRatio(_ chosen: [Int]) -> Double {
    mean(chosen) { $0.directPartition } / mean(chosen) { $0.directIndependent }
  }

  /// Without bias: what products of different texts' means leave of the mean square. - Precondition: two texts at
  /// least, all different.
  func betweenTexts(_ chosen: [Int]) -> Double {
    let n = Double(chosen.count)
    var crossed = 0.0
    for i in chosen { for j in chosen where j != i { crossed += products[i * texts.count + j] } }
    return mean(chosen) { $0.squaredMean } - crossed / (n * (n - 1))
  }

  /// Variances of a mean over K passes, the choice of texts included.
  func freshTexts(_ chosen: [Int]) -> Double {
    (betweenTexts(chosen) + mean(chosen) { $0.partitionVariance }) / Double(sets)
  }
  func oneTextPartition(_ chosen: [Int]) -> Double { betweenTexts(chosen) + mean(chosen, partition) }
  func oneTextIndependent(_ chosen: [Int]) -> Double { betweenTexts(chosen) + mean(chosen, independent) }
  func freshMinusPartition(_ chosen: [Int]) -> Double { freshTexts(chosen) - oneTextPartition(chosen) }

  /// c(H) by H, with the number of pairs and the error over texts; distances that were not drawn are left out.
  func covariances(pairs: [Int]) -> MeasuredTable {
    let variance = mean(everyText) { $0.covariances[0] }
    let rows: [[Double]] = pairs.indices.filter { pairs[$0] > 0 }.map { level in
      let (mean, error) = meanAndError(texts.map { $0.covariances[level] })
      return [
        Double(2 * level), mean, variance > 0 ? mean / variance : 0, Double(pairs[level] * texts.count), error ?? 0,
      ]
    }
    return MeasuredTable(["H", "c", "c / Var", "pairs", "standard_error"], rows)
  }
}
