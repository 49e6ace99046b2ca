import Core
import Data
import Evaluation
import Layers
import Objectives

/// What fine-tuning reads of labelled examples: training examples as samples, and test examples as inputs.
protocol TuningExamples: Sendable {
  /// The most positions of an example, without leading rows that the network adds.
  var length: Int { get }
  /// Rows before an example and behind it that are no part of it.
  var leading: Int { get }
  var trailing: Int { get }
  /// Training examples with their class in the field `TuningField.label`, every epoch in an order of its own.
  var training: any SampleSource { get }
  /// Test examples that are computed together.
  var testGroups: [[Int]] { get }
  /// A group as the network reads it, filled up to the size of a full one.
  func testInput(_ group: Int) throws -> SequenceInput
  /// What a reader must know, such as how many texts were cut.
  var notes: [String] { get }
  /// Why no class of Hugging Face opens what was trained; nil where one does.
  var saveProblem: String? { get }
}

enum TuningField {
  /// Name of the field with a sample's class.
  static let label = "label"
  /// The permutations before it draw examples and splits.
  static let firstEpoch: UInt64 = 16
}

/// Labelled texts for fine-tuning.
struct TuningTexts: TuningExamples {
  let length: Int
  let leading: Int
  let trailing: Int
  let training: any SampleSource
  let testGroups: [[Int]]
  let notes: [String]
  let saveProblem: String? = nil
  private let groups: TextGroups

  /// - Parameter texts: of the training examples, then those of the test examples.
  init(_ data: LabelledText, _ texts: EncodedTexts, _ context: MeasureContext) {
    let count = data.train.count
    length = texts.tokens.reduce(1) { max($0, $1.count) }
    (leading, trailing) = texts.framed ? (1, 1) : (0, 0)
    training = LabelledSamples(
      texts: Array(texts.tokens[..<count]), labels: data.trainLabels, padding: context.model.vocabulary.pad ?? 0,
      seed: context.seed)
    groups = TextGroups(
      texts, of: count..<texts.tokens.count, size: context.microBatch,
      causal: context.model.configuration.attentionMask == .causal)
    testGroups = groups.groups.map { $0.map { $0 - count } }
    notes = texts.notes(context: context.model.configuration.maxPosition)
  }

  func testInput(_ group: Int) throws -> SequenceInput { groups.input(group) }
}

/// Labelled texts as samples: each as long as the longest of those requested together, with its label as a field.
struct LabelledSamples: SampleSource {
  let texts: [[Int32]]
  let labels: [Int]
  let padding: Int32
  let seed: UInt64

  var samplesPerEpoch: Int { texts.count }

  /// Every epoch in an order of its own.
  func samples(at positions: Range<UInt64>) -> SampleBatch {
    let chosen = positions.map { position in
      let (epoch, place) = position.quotientAndRemainder(dividingBy: UInt64(texts.count))
      return KeyedPermutation(count: texts.count, seed: seed, epoch: TuningField.firstEpoch + epoch)[Int(place)]
    }
    let length = chosen.reduce(1) { max($0, texts[$1].count) }
    var (tokens, documentIDs) = ([Int32](), [Int32]())
    for index in chosen {
      let (text, gap) = (texts[index], length - texts[index].count)
      tokens += text + [Int32](repeating: padding, count: gap)
      documentIDs += [Int32](repeating: 0, count: text.count) + [Int32](repeating: -1, count: gap)
    }
    return SampleBatch(
      sampleIDs: Array(positions), indices: chosen.map(UInt64.init), length: length, lookahead: 0, tokens: tokens,
      documentIDs: documentIDs,
      fields: [SampleField(TuningField.label, ids: chosen.map { Int32(labels[$0]) })])
  }
}

/// Labelled records of numbers for fine-tuning.
struct TuningRecords: TuningExamples {
  let length: Int
  let leading: Int
  let trailing = 0
  let training: any SampleSource
  let testGroups: [[Int]]
  let notes: [String] = []
  let saveProblem: String? = "needs a model of texts: no class that classifies records of numbers is written."
  private let test: any SampleSource
  private let objective: any Objective
  private let size: Int

  init(_ data: LabelledRecords, _ context: MeasureContext) throws {
    let model = context.model
    (length, leading) = (model.configuration.maxPosition, model.configuration.leadingRows)
    (test, size, objective) = (data.test, context.microBatch, try model.makeObjective())
    guard objective.encoderInput != .layers else {
      throw ConfigurationError(
        "--measure", is: "finetune",
        rule: "but \(model.objective.name) has layers in front of its encoder, and finetune trains an encoder alone.")
    }
    training = ShuffledRecords(source: data.train, labels: data.trainLabels, seed: context.seed)
    let count = data.testLabels.count
    testGroups = stride(from: 0, to: count, by: size).map { [size] in Array($0..<min($0 + size, count)) }
  }

  func testInput(_ group: Int) throws -> SequenceInput { objective.whole(try test.group(group, of: size)) }
}

/// Records with their class as the only field, every epoch in an order of its own.
private struct ShuffledRecords: SampleSource {
  let source: any SampleSource
  let labels: [Int]
  let seed: UInt64

  var samplesPerEpoch: Int { labels.count }

  func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let chosen = positions.map { position in
      let (epoch, place) = position.quotientAndRemainder(dividingBy: UInt64(labels.count))
      return KeyedPermutation(count: labels.count, seed: seed, epoch: TuningField.firstEpoch + epoch)[Int(place)]
    }
    var batch = try Subset(source, chosen).samples(at: 0..<UInt64(chosen.count))
    batch.sampleIDs = Array(positions)
    batch.indices = chosen.map(UInt64.init)
    batch.fields = [SampleField(TuningField.label, ids: chosen.map { Int32(labels[$0]) })]
    return batch
  }
}
