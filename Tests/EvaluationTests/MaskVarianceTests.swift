import Collectives
import Core
@testable import Data
@testable import Evaluation
import Kernels
import Layers
import Models
import Objectives
import Tensors
import TestSupport
import Testing

/// Variances over masks in a world of 20 tokens and texts of 12, where all 220 masks of 3 can be listed.
@Suite struct MaskVarianceTests {
  private static let vocabulary = Vocabulary(size: 21, mask: 20, special: [20])
  private static let texts: [[Int32]] = {
    let random = CounterGenerator(seed: 8, purpose: .order)
    // Neighbours are near each other, so that a hidden token can be told from those around it.
    return (0..<12).map { text in
      var last = random.below(20, 100 * text)
      return (0..<12).map { i in
        last = (last + 1 + random.below(3, 100 * text + 1 + i)) % 20
        return Int32(last)
      }
    }
  }()

  private func context(threads: Int = 1, scale: Float = 6) -> MeasureContext {
    BLAS.useOneThread()
    var layout = ParameterLayout()
    let encoder = Transformer(
      .bert(vocabSize: 21, maxPosition: 12, hiddenSize: 16, numLayers: 2, numHeads: 2), into: &layout)
    let parameters = ParameterStore(layout)
    parameters.initialize(seed: 5)
    for entry in layout.entries where entry.spec.decay {
      let view = parameters.view(entry.index)
      for i in 0..<view.count { view[i] *= scale }
    }
    let model = MeasuredModel(
      path: "memory", encoder: encoder, parameters: parameters, data: DataShape(Self.vocabulary),
      objective: ("mlm", MaskedLanguageModel.Options()))
    return MeasureContext(model, corpus: nil, communicator: SingleRank(), threads: threads)
  }

  private func network(_ context: MeasureContext, sketch: SignSketch? = nil) throws -> MaskedGradient {
    let tokens = try MaskableTokens(Self.vocabulary, objective: "test")
    return try #require(MaskedGradient(context.model, tokens, Replacement(), sketch: sketch))
  }

  private func draws(_ text: Int, size: Int = 3, sets: Int = 4, steps: Int = 0) -> MaskDraws {
    MaskDraws(
      positions: Array(0..<12), size: size, sets: sets, steps: steps,
      random: CounterGenerator(seed: 2, purpose: .evaluation, position: UInt64(text)))
  }

  // MARK: - Masks

  @Test(arguments: [(3, 4, 0), (1, 5, 0), (5, 2, 0), (5, 2, 2), (4, 3, 3)])
  func windowsOverlapAsTheirStartsSay(size: Int, sets: Int, steps: Int) {
    let draws = draws(1, size: size, sets: sets, steps: steps)
    let order = draws.order(site: 7)
    #expect(order.sorted() == Array(0..<12) && order != draws.order(site: 8))
    var seen = Set<Int>()
    for i in draws.starts.indices {
      for j in draws.starts.indices {
        let (a, b) = (draws.window(order, at: draws.starts[i]), draws.window(order, at: draws.starts[j]))
        #expect(Set(a).intersection(b).count == size - draws.level(i, j))
        seen.insert(draws.level(i, j))
      }
    }
    #expect(seen.isSuperset(of: steps == 0 ? Array(0...size) : [0, size / steps, size]))
    #expect(draws.starts.count == (steps == 0 ? size : steps) + sets - 1)
    let partition = draws.partition.flatMap { draws.window(order, at: draws.starts[$0]) }
    #expect(draws.partition.count == sets && Set(partition).count == sets * size)
  }

  // MARK: - The estimator

  /// Where a token's gradient does not depend on what else is hidden, a partition that covers the text has no variance
  /// left.
  @Test func independentTokensLeaveAPartitionNoVariance() {
    let random = CounterGenerator(seed: 4, purpose: .order)
    let vectors = (0..<12).map { i in (0..<5).map { random.uniformDouble(5 * i + $0) } }
    func gradient(_ hidden: [Int], _: Int) -> [Double] {
      (0..<5).map { k in hidden.reduce(0) { $0 + vectors[$1][k] } / Double(hidden.count) }
    }
    let found = TextMaskVariance(draws(0), rounds: 4000, trials: 4000, gradient: gradient)
    let mean = gradient(Array(0..<12), 0)
    let spread = vectors.reduce(0) { $0 + squaredLength(zip($1, mean).map { $0 - $1 }) } / 12
    // The mean of 3 of 12 without replacement.
    let exact = spread / 3 * 9 / 11
    #expect(abs(found.partitionVariance / exact - 1) < 0.02)
    #expect(abs(found.partitionCovariance / (-exact / 3) - 1) < 0.02)
    #expect(abs(found.directIndependent / (exact / 4) - 1) < 0.04)
    #expect(abs(found.directPartition) < 1e-12 && abs(found.squaredMean / squaredLength(mean) - 1) < 1e-9)
    let summary = MaskVarianceSummary([found], sets: 4)
    #expect(abs(summary.ratio([0])) < 1e-9)
    // c falls in a line from Var to -Var / 3: a mask shares no more than its tokens.
    for (level, value) in found.covariances.enumerated() {
      #expect(abs(value / exact - (1 - Double(level) * 4 / 9)) < 0.03)
    }
  }

  /// All masks of every text: c(H) falls, the formulas hold against means drawn directly, and estimates match the exact
  /// values.
  @Test func formulasHoldInAWorldThatCanBeListed() throws {
    let context = context()
    let network = try network(context)
    let workspace = network.makeWorkspace()
    let masks = (0..<12).flatMap { a in (a + 1..<12).flatMap { b in (b + 1..<12).map { [a, b, $0] } } }
    #expect(masks.count == 220)
    var exact = [Double](repeating: 0, count: 4)
    var found: [TextMaskVariance] = []
    for (index, text) in Self.texts.enumerated() {
      let gradients = masks.map { network(text, hiding: $0, draws(index).replacements(0), workspace) }
      let mean = (0..<gradients[0].count).map { k in gradients.reduce(0) { $0 + $1[k] } / 220 }
      let centred = gradients.flatMap { zip($0, mean).map { $0 - $1 } }
      let products = dgemm(centred, centred, rows: 220, inner: mean.count, columns: 220, transposeB: true)
      var (sums, counts) = ([Double](repeating: 0, count: 4), [Double](repeating: 0, count: 4))
      for i in 0..<220 {
        for j in 0..<220 {
          let level = 3 - Set(masks[i]).intersection(masks[j]).count
          sums[level] += products[i * 220 + j]
          counts[level] += 1
        }
      }
      // Independent masks have no covariance: over all pairs it adds up to nothing.
      #expect(abs(sums.reduce(0, +)) < 1e-6 * sums[0])
      for level in 0..<4 { exact[level] += sums[level] / counts[level] / 12 }
      found.append(
        TextMaskVariance(draws(index), rounds: 100, trials: 100) { hidden, mask in
          network(text, hiding: hidden, draws(index).replacements(mask), workspace)
        })
    }
    #expect(exact[0] > exact[1] && exact[1] > exact[2] && exact[2] > exact[3] && exact[3] < 0, "\(exact)")
    let summary = MaskVarianceSummary(found, sets: 4)
    let every = summary.everyText
    let (independent, partition) = (exact[0] / 4, (exact[0] + 3 * exact[3]) / 4)
    for (name, value, wanted) in [
      ("Var / K", summary.mean(every, summary.independent), independent),
      ("partition", summary.mean(every, summary.partition), partition),
      ("direct, independent", summary.mean(every) { $0.directIndependent }, independent),
      ("direct, partition", summary.mean(every) { $0.directPartition }, partition),
    ] { #expect(abs(value / wanted - 1) < 0.1, "\(name): \(value), exactly \(wanted)") }
    for level in 0..<4 {
      let value = summary.mean(every) { $0.covariances[level] }
      #expect(abs(value - exact[level]) < 0.05 * exact[0], "c(\(2 * level)): \(value), exactly \(exact[level])")
    }
    let (low, high) = bootstrapInterval(12, seed: 1, summary.ratio)
    #expect(low < summary.ratio(every) && summary.ratio(every) < high && high < 1)
    #expect(partition < 0.7 * independent)
  }

  /// Texts of one vector each, without any mask noise: only the choice of the text is left.
  @Test func variancesBetweenTexts() {
    let means = [[1.0, 0], [3.0, 0], [2.0, 3]]
    let texts = means.map { mean in TextMaskVariance(draws(0), rounds: 2, trials: 2) { _, _ in mean } }
    let summary = MaskVarianceSummary(texts, sets: 4)
    // Squares of the distances from (2, 1), over n - 1.
    #expect(abs(summary.betweenTexts([0, 1, 2]) - (2 + 2 + 4) / 2) < 1e-12)
    #expect(abs(summary.freshTexts([0, 1, 2]) - 1) < 1e-12 && abs(summary.oneTextPartition([0, 1, 2]) - 4) < 1e-12)
    #expect(summary.oneTextIndependent([0, 1, 2]) == summary.oneTextPartition([0, 1, 2]))
  }

  // MARK: - The gradient

  /// Along its own direction the loss rises by its length.
  @Test func theGradientIsThatOfTheLoss() throws {
    let context = context(scale: 3)
    let network = try network(context)
    let workspace = network.makeWorkspace()
    let (text, hidden) = (Self.texts[0], [1, 4, 9])
    let gradient = network(text, hiding: hidden, draws(0).replacements(0), workspace)
    #expect(gradient == network(text, hiding: hidden, draws(0).replacements(1), workspace))
    let length = squaredLength(gradient).squareRoot()
    let parameters = context.model.parameters
    let before = (0..<parameters.layout.count).map { parameters.memory[$0] }
    let reader = try #require(TokenReader(context.model, microBatch: 1))
    let forward = reader.makeWorkspace()
    var shown = text
    for i in hidden { shown[i] = 20 }
    func loss(_ step: Double) -> Double {
      for i in before.indices { parameters.memory[i] = Float(Double(before[i]) + step * gradient[i] / length) }
      return reader.negativeLogLikelihoods(
        [ScoredInput(tokens: shown, rows: hidden, targets: hidden.map { text[$0] })], forward)[0].reduce(0, +) / 3
    }
    let slope = (loss(1e-2) - loss(-1e-2)) / 2e-2
    #expect(abs(slope / length - 1) < 2e-3, "\(slope) and \(length)")
  }

  /// A sketch of a gradient is the sketch of its elements, and keeps products on average.
  @Test func sketchesKeepProducts() throws {
    let context = context()
    let count = context.model.parameters.layout.count
    let sketch = SignSketch(elements: count, dimensions: 64, seed: 9)
    func gradient(_ sketch: SignSketch?) throws -> [Double] {
      let network = try network(context, sketch: sketch)
      return network(Self.texts[3], hiding: [0, 5, 6], draws(0).replacements(0), network.makeWorkspace())
    }
    var sums = [Double](repeating: 0, count: 64)
    for (i, value) in try gradient(nil).enumerated() { sketch.add(value, at: i, to: &sums) }
    let sketched = try gradient(sketch)
    #expect(zip(sketched, sums).allSatisfy { abs($0 - $1) < 1e-9 })
    // Over 400 seeds, the mean product of two vectors of length √300 at 60 degrees.
    let products = (0..<UInt64(400)).map { seed in
      let sketch = SignSketch(elements: 600, dimensions: 32, seed: seed)
      var (x, y) = ([Double](repeating: 0, count: 32), [Double](repeating: 0, count: 32))
      for i in 0..<300 { sketch.add(1, at: i, to: &x) }
      for i in 150..<450 { sketch.add(1, at: i, to: &y) }
      return zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
    }
    let (mean, error) = meanAndError(products)
    let bound = ((300.0 * 300 + 150 * 150) / 32 / 400).squareRoot()
    #expect(abs(mean - 150) < 4 * bound && (error ?? 0) < 1.3 * bound, "\(mean) ± \(error ?? 0)")
  }

  // MARK: - The measure

  private func measured(_ options: MaskVarianceMeasure.Options, threads: Int = 1) throws -> MeasureResult {
    let tokens = try MaskableTokens(Self.vocabulary, objective: "test")
    let windows = TextWindows(Self.texts, framing: .none, vocabulary: Self.vocabulary)
    let texts = try MaskableTexts(windows, tokens: tokens, place: "the toy")
    return try MaskVarianceMeasure(options).measure(texts, tokens, context(threads: threads))
  }

  @Test func threadsDoNotChangeABit() throws {
    var options = MaskVarianceMeasure.Options()
    (options.draws, options.trials, options.sets, options.randomReplaceProb, options.maskReplaceProb) = (
      4, 3, 4, 0.1, 0.8
    )
    let one = try measured(options)
    #expect(try measured(options, threads: 3) == one)
    let table = try #require(one.tables["c(H)"])
    #expect(table.rows.map { $0[0] } == [0, 2, 4, 6])
    // Windows at 0, 1, 2, 3, 6, 9 in 4 orders of 12 texts: among 21 pairs, 6 with themselves, 3 with the next, 2 with
    // the one after.
    #expect(table.rows.map { $0[3] } == [288, 144, 96, 480])
    #expect(one["hidden"] == 3 && one["mask_variance.ratio"].map { $0 < 1 } == true)
    options.projection = .sketch
    options.dimensions = 512
    let sketched = try measured(options)
    #expect(sketched["dimensions"] == 512)
    let (a, b) = (try #require(one["mask_variance.one_mask"]), try #require(sketched["mask_variance.one_mask"]))
    #expect(a != b && abs(b / a - 1) < 0.2, "\(a) and \(b)")
  }

  @Test func impossibleOptionsAreNamed() {
    func text(_ change: (inout MaskVarianceMeasure.Options) -> Void) -> String {
      var options = MaskVarianceMeasure.Options()
      change(&options)
      do { _ = try measured(options) } catch { return "\(error)" }
      return ""
    }
    #expect(text { $0.sets = 1 } == "measures.mask-variance.sets is 1; it must lie in 2...1000.")
    #expect(
      text { $0.ratio = 0.2 }
        == "measures.mask-variance.ratio is 0.2 with 7 sets; sets that do not overlap need ratio · sets <= 1.")
    #expect(
      text {
        $0.maskReplaceProb = 0.9; $0.randomReplaceProb = 0.2
      }.contains("measures.mask-variance.random_replace_prob and mask_replace_prob add up to"))
    #expect(text { $0.sets = 13 }.contains("the toy: has texts of 12 ordinary tokens, too few for 13 sets"))
  }

  // MARK: - Statistics

  @Test func ranksAndResamples() {
    #expect(rankCorrelation([1, 2, 3, 4], [9, 7, 5, -1]) == -1)
    #expect(abs(rankCorrelation([1, 2, 3], [5, 5, 9]) - 0.75.squareRoot()) < 1e-12)
    #expect(rankCorrelation([1, 2], [3, 3]) == 0)
    let values = [3.0, 1, 4, 1, 5, 9, 2, 6]
    func mean(_ chosen: [Int]) -> Double { chosen.reduce(0) { $0 + values[$1] } / Double(chosen.count) }
    let error = meanAndError(values).error ?? 0
    #expect(abs((jackknifeError(8, mean) ?? 0) - error) < 1e-12)
    let (low, high) = bootstrapInterval(8, seed: 3, mean)
    // A normal interval, less the n / (n - 1) that resamples lack.
    #expect(abs((high - low) / (2 * 1.96 * error * (7.0 / 8).squareRoot()) - 1) < 0.08, "\(low) to \(high)")
  }
}
