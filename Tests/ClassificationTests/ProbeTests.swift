@testable import Classification
import Collectives
import Core
@testable import Evaluation
import Foundation
import Kernels
import Models
import Objectives
import Storage
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Features, neighbours, bags and fine-tuning, on data whose labels are known.
@Suite struct ProbeTests {
  private let vocabulary = Vocabulary(size: 9, pad: 0, mask: 1, cls: 2, sep: 3)

  private func context(causal: Bool = false, threads: Int = 1, microBatch: Int = 4) -> MeasureContext {
    BLAS.useOneThread()
    let shape: ModelConfiguration =
      causal
      ? .gpt2(vocabSize: 9, maxPosition: 8, hiddenSize: 16, numLayers: 2, numHeads: 2)
      : .bert(vocabSize: 9, maxPosition: 8, hiddenSize: 16, numLayers: 2, numHeads: 2)
    var layout = ParameterLayout()
    let encoder = Transformer(shape, into: &layout)
    let parameters = ParameterStore(layout)
    parameters.initialize(seed: 5)
    let model = MeasuredModel(
      path: "memory", encoder: encoder, parameters: parameters, data: DataShape(vocabulary),
      objective: ("mlm", MaskedLanguageModel.Options()))
    return MeasureContext(model, corpus: nil, communicator: SingleRank(), threads: threads, microBatch: microBatch)
  }

  /// Texts of ids 4 … 8 of several lengths; the label says whether 4 occurs.
  private func example(_ count: Int) -> (data: LabelledText, texts: [[Int32]]) {
    let texts = (0..<count).map { i -> [Int32] in
      let length = 2 + (i * 7) % 5
      return (0..<length).map { j in
        let drawn = Int32((i * 31 + j * 17 + i * j) % 4)
        return i % 2 == 0 && j == i % length ? 4 : 5 + drawn
      }
    }
    let examples = texts.enumerated().map { LabelledText.Example(text: Array("\($1)".utf8), label: $0 % 2) }
    return (
      LabelledText(
        classes: ["with", "without"], train: Array(examples[..<(count * 3 / 4)]),
        test: Array(examples[(count * 3 / 4)...])), texts
    )
  }

  // MARK: - Features

  @Test func featuresAreRowsOfTheText() {
    #expect(Pooling.cls.rows(of: 6, framed: true) == 0..<1)
    #expect(Pooling.mean.rows(of: 6, framed: true) == 1..<5)
    #expect(Pooling.last.rows(of: 6, framed: true) == 4..<5)
    #expect(Pooling.mean.rows(of: 6, framed: false) == 0..<6)
    #expect(Pooling.last.rows(of: 6, framed: false) == 5..<6)
  }

  @Test func clsNeedsAFrame() throws {
    #expect(try Pooling.chosen("all", framed: true, measure: "probe") == [.cls, .mean, .last])
    #expect(try Pooling.chosen("all", framed: false, measure: "probe") == [.mean, .last])
    let error = try #require(throws: ConfigurationError.self) {
      try Pooling.chosen("cls", framed: false, measure: "probe")
    }
    #expect(error.problems.map(\.key) == ["measures.probe.features"])
  }

  /// A text's features alone, and among longer ones with padding behind it.
  @Test(arguments: [true, false])
  func paddingIsNotSeen(causal: Bool) throws {
    let texts = example(12).texts
    let together = try context(causal: causal, microBatch: 12).features(
      [.mean, .last], EncodedTexts(texts, framed: false))
    for (i, text) in texts.enumerated() {
      let alone = try context(causal: causal, microBatch: 1).features(
        [.mean, .last], EncodedTexts([text], framed: false))
      for f in 0..<2 {
        for (a, b) in zip(together[f][i], alone[f][0]) { #expect(abs(a - b) < 1e-5) }
      }
    }
    #expect(together[0] != together[1])
  }

  /// The mean over one position is that position.
  @Test func meanLeavesTheFrameOut() throws {
    let features = try context().features([.cls, .mean, .last], EncodedTexts([[2, 6, 3]], framed: true))
    #expect(features[1] == features[2] && features[0] != features[1])
    #expect(features[0].values.allSatisfy(\.isFinite) && Set(features[0].values).count > 4)
  }

  @Test func textsAreCutAndFramed() throws {
    let context = context()
    let text: [UInt8] = Array("abcdefghijkl".utf8)
    let bytes = ByteTokenizer()
    let encoded = try EncodedTexts([text, Array("ab".utf8)], bytes, context.model)
    #expect(encoded.framed && encoded.cut == 1)
    #expect(encoded.tokens == [[2] + bytes.encode(text).prefix(6) + [3], [2] + bytes.encode("ab") + [3]])
    let causal = try EncodedTexts([text], bytes, self.context(causal: true).model)
    #expect(causal.tokens == [Array(bytes.encode(text).prefix(8))] && !causal.framed)
  }

  @Test func untrainedWeightsAreFirstValues() {
    let model = context().model
    let (same, other) = (model.untrained(seed: 5), model.untrained(seed: 6))
    withExtendedLifetime((model, same, other)) {
      #expect(same.all.array == model.parameters.all.array)
      #expect(other.all.array != model.parameters.all.array)
    }
  }

  // MARK: - Probe and bag of words

  /// A feature that is the label is found among noise; the score is that of the test examples.
  @Test func probeReadsTheLabel() throws {
    let data = example(80).data
    let labels = data.trainLabels + data.testLabels
    let x = DenseExamples(
      labels.indices.map { (i: Int) -> [Double] in [sin(Double(i)), Double(labels[i]) * 1e-3 + 7, cos(Double(3 * i))] })
    let result = try ProbeMeasure.measure(data, FrozenFeatures([.mean], [x]), place: "x", context())
    #expect(result["probe.mean.accuracy"] == 1 && result["probe.mean.macro_f1"] == 1)
    #expect(result["probe.majority_accuracy"] == 0.5)
    let items = try #require(result.values.first { $0.name == "probe.mean.accuracy" }?.items)
    #expect(items.sums == [Double](repeating: 1, count: 20))
  }

  /// Test examples far from all others cannot change what is fitted: features are standardised by the training examples
  /// alone.
  @Test func testExamplesDoNotReachTheFit() throws {
    let data = example(80).data
    let labels = data.trainLabels + data.testLabels
    let rows = labels.indices.map { (i: Int) -> [Double] in
      [Double(labels[i]) + 0.8 * sin(Double(i * i)), cos(Double(3 * i))]
    }
    let split = try data.validationSplit(seed: 1, place: "x")
    func predictions(_ factor: Double) throws -> [Int] {
      let changed = rows.enumerated().map { $0 == 79 ? $1.map { $0 * factor } : $1 }
      return try LinearProbe(DenseExamples(changed), data, split: split, context()) {
        Standardization($0, rows: $1)($0)
      }.predictions
    }
    let plain = try predictions(1)
    #expect(try predictions(1e6).dropLast() == plain.dropLast())
    #expect(Set(plain).count == 2)
  }

  /// Noise that fits the training part perfectly is not trusted: the strength comes from the validation part.
  @Test func strengthIsChosenOnTheValidationPart() throws {
    let data = example(80).data
    let labels = data.trainLabels + data.testLabels
    func strength(_ noise: Double) throws -> Double {
      let rows = labels.indices.map { (i: Int) -> [Double] in
        let others = (0..<60).map { (j: Int) -> Double in noise * sin(Double((i + 1) * (j + 2) * (j + 3))) }
        return [Double(labels[i]) + 1.2 * sin(Double(i * i))] + others
      }
      return try LinearProbe(DenseExamples(rows), data, split: data.validationSplit(seed: 1, place: "x"), context())
        .strength
    }
    #expect(try strength(3) >= 10)
    #expect(LinearProbe.strengths.contains(try strength(0)))
  }

  @Test func wordsAreLowerCaseRunsOfLetters() {
    #expect(
      BagOfWordsMeasure.words(of: Array("Don't STOP, Été-2004; ' it's".utf8)) == [
        "don't", "stop", "été", "2004", "it's",
      ])
  }

  @Test func bagsKeepTrainingWordsOnly() throws {
    func example(_ text: String, _ label: Int) -> LabelledText.Example { .init(text: Array(text.utf8), label: label) }
    let data = LabelledText(
      classes: ["a", "b"], train: [example("good good film", 0), example("bad film", 1), example("film", 1)],
      test: [example("good new film", 0)])
    func row(_ weighting: BagOfWordsMeasure.Weighting, _ index: Int, minTexts: Int = 1) throws -> [Double] {
      let (x, words) = try BagOfWordsMeasure.bags(data, weighting, minTexts: minTexts, place: "x")
      var scores = [Double](repeating: 0, count: words)
      let identity = (0..<words).flatMap { k in (0..<words).map { $0 == k ? 1.0 : 0 } }
      x.addScores(of: index, identity, classes: words, into: &scores)
      return scores
    }
    // bad, film, good.
    #expect(try row(.binary, 0) == [0, 1, 1])
    #expect(try row(.count, 0) == [0, 1, 2])
    #expect(try row(.log, 0) == [0, 1, 1 + log(2.0)])
    #expect(try row(.binary, 3) == [0, 1, 1])
    #expect(try row(.binary, 3, minTexts: 2) == [1])
    #expect(throws: DataError.self) { try BagOfWordsMeasure.bags(data, .binary, minTexts: 4, place: "x") }
  }

  @Test func bagOfWordsFindsTheWord() throws {
    let data = example(80).data
    let result = try BagOfWordsMeasure.measure(data, .binary, minTexts: 1, place: "x", context())
    #expect(result["bag_of_words.accuracy"] == 1)
    #expect(result["bag_of_words.words"] == 5)
  }

  // MARK: - Neighbours

  @Test func neighboursVoteByCosine() {
    // Angles in degrees and lengths that do not matter; the query at 0°.
    func at(_ degrees: Double, _ length: Double) -> [Double] {
      [length * cos(degrees * .pi / 180), length * sin(degrees * .pi / 180)]
    }
    let x = NearestNeighboursMeasure.unit(
      DenseExamples([at(10, 0.01), at(50, 100), at(60, 5), at(-20, 9), at(180, 1), at(0, 3)]))
    func vote(_ labels: [Int], _ k: Int) -> Int {
      NearestNeighboursMeasure.vote(x, 5, labels: labels, classes: 3, neighbours: k)
    }
    #expect(vote([0, 1, 1, 2, 1], 1) == 0)
    // One vote each for 0 and 2: 10° is nearer than 20°.
    #expect(vote([0, 1, 1, 2, 1], 2) == 0)
    #expect(vote([2, 1, 1, 0, 1], 2) == 2)
    #expect(vote([0, 1, 1, 2, 1], 4) == 1)
    #expect(vote([0, 1, 1, 2, 2], 50) == 1)
  }

  @Test func equalCosinesTakeTheEarlier() {
    let x = DenseExamples([[0, 1], [0, 1], [1, 0]])
    #expect(NearestNeighboursMeasure.vote(x, 2, labels: [1, 0], classes: 2, neighbours: 1) == 1)
    #expect(NearestNeighboursMeasure.vote(x, 2, labels: [1, 0], classes: 2, neighbours: 2) == 0)
  }

  // MARK: - Scores

  @Test func macroF1IsTheMeanOverClasses() {
    let score = ClassificationScore(predictions: [0, 0, 1, 1, 2], labels: [0, 1, 1, 1, 0], classes: 4)
    #expect(score.accuracy == 0.6 && score.correct == [1, 0, 1, 1, 0])
    // Class 0: 2·1/(2+2); class 1: 2·2/(3+2); class 2: 0; class 3 does not occur.
    #expect(abs(score.macroF1 - (0.5 + 0.8 + 0) / 3) < 1e-15)
    #expect(abs((score.values("x")[0].standardError ?? 0) - (0.6 * 0.4 / 4).squareRoot()) < 1e-12)
  }

  // MARK: - Fine-tuning

  private func finetune(
    _ change: (inout FinetuneMeasure.Options) -> Void = { _ in }, causal: Bool = false, threads: Int = 1
  ) throws -> MeasureResult {
    let (data, texts) = example(80)
    var options = FinetuneMeasure.Options()
    (options.train, options.epochs, options.learningRate, options.batch, options.dropout) = ("x.tsv", 8, 5e-3, 8, 0)
    change(&options)
    let framed = causal ? texts : texts.map { [2] + $0 + [3] }
    let context = context(causal: causal, threads: threads)
    let examples = TuningTexts(data, EncodedTexts(framed, framed: !causal), context)
    return try FinetuneMeasure(options).measure(data, examples, context)
  }

  @Test(arguments: [true, false])
  func finetuningLearnsWhetherATokenOccurs(causal: Bool) throws {
    let result = try finetune(causal: causal)
    let epochs = try #require(result.tables["finetune.epochs"])
    #expect(epochs.rows.map { $0[0] } == (1...8).map(Double.init))
    #expect(epochs.rows[7][1] < 0.3 && epochs.rows[0][1] > 0.4, "\(epochs.rows)")
    #expect(try #require(result["finetune.accuracy"]) >= 0.9)
    #expect(epochs.rows[7][2] == result["finetune.accuracy"])
  }

  @Test func finetuningStartsFromTheModel() throws {
    // A rate so small that one epoch changes nothing but the last bits: the loss is that of the weights it starts from.
    func loss(_ change: (inout FinetuneMeasure.Options) -> Void) throws -> Double {
      try #require(
        try finetune {
          ($0.epochs, $0.learningRate) = (1, 1e-12)
          change(&$0)
        }.tables["finetune.epochs"]
      ).rows[0][1]
    }
    let start = try loss { _ in }
    #expect(abs(start - log(2)) < 0.1)
    #expect(try loss { $0.untrained = true } != start)
    #expect(try loss { $0.feature = "cls" } != start)
    #expect(try loss { $0.dropout = 0.3 } != start)
  }

  @Test func aLargeBatchMayEndSeveralEpochs() throws {
    let rows = try #require(try finetune { ($0.batch, $0.epochs) = (128, 5) }.tables["finetune.epochs"]).rows
    #expect(rows.map { $0[0] } == [2, 4, 5])
  }

  // MARK: - Threads

  @Test func threadsDoNotChangeABit() throws {
    let (data, texts) = example(80)
    func all(_ threads: Int) throws -> [MeasureResult] {
      let context = context(threads: threads)
      let features = FrozenFeatures(
        [.mean, .last], try context.features([.mean, .last], EncodedTexts(texts, framed: false)))
      return [
        try ProbeMeasure.measure(data, features, place: "x", context),
        try NearestNeighboursMeasure.measure(data, features, neighbours: 5, context),
        try BagOfWordsMeasure.measure(data, .log, minTexts: 1, place: "x", context),
        try finetune({ ($0.epochs, $0.dropout) = (2, 0.2) }, threads: threads),
      ]
    }
    let (one, three) = (try all(1), try all(3))
    #expect(one == three)
    let rows = try #require(one[3].tables["finetune.epochs"]).rows
    #expect(rows.count == 2 && rows[0][1] != rows[1][1])
  }
}
