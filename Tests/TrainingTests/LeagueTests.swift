import Collectives
import Core
import Layers
import Models
import Objectives
import Optimizers
import Tensors
import TestSupport
import Testing
@testable import Training

/// A league of 20 teams with 25 players each, and line-ups drawn from them: a function of the position alone.
///
/// Each team has 3 keepers, 8 defenders, 8 midfielders and 6 forwards. A line-up has 1, 4, 4 and 2 of them; the first
/// of a role play most.
private struct League: SampleSource {
  static let squad = [3, 8, 8, 6]
  static let lineUp = [1, 4, 4, 2]
  static let firstRole: Int32 = 4
  static let firstPlayer: Int32 = 8
  static let vocabulary = Vocabulary(size: 8 + 500, pad: 0, mask: 1, cls: 2, sep: 3)
  let samplesPerEpoch: Int
  /// Where in the stream of line-ups this split begins: no line-up is in two splits.
  let first: UInt64

  func samples(at positions: Range<UInt64>) -> SampleBatch {
    var tokens: [Int32] = []
    for position in positions {
      let random = CounterGenerator(seed: 77, purpose: .order, position: first + position % UInt64(samplesPerEpoch))
      let team = random.below(20, 0)
      var (start, element) = (0, 1)
      for role in 0..<4 {
        // Of equally strong draws the earlier in the squad wins: a weight of 1 / (1 + rank / 2).
        let keys = (0..<Self.squad[role]).map { rank -> (Float, Int) in
          element += 1
          return (random.uniform(element) * (1 + Float(rank) / 2), rank)
        }
        for (_, rank) in keys.sorted(by: { $0 < $1 }).prefix(Self.lineUp[role]) {
          tokens += [Self.firstRole + Int32(role), Self.firstPlayer + Int32(25 * team + start + rank)]
        }
        start += Self.squad[role]
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), length: 22, lookahead: 0, tokens: tokens,
      documentIDs: [Int32](repeating: 0, count: tokens.count))
  }
}

/// Masked members of sets are found by their fellow members.
@Suite struct LeagueTests {
  @Test func teamMatesTellTheHiddenPlayer() throws {
    var options = MaskedSetPrediction.Options()
    options.roles = true
    var model = ModelConfiguration.bert(
      vocabSize: League.vocabulary.size, maxPosition: 22, hiddenSize: 48, numLayers: 1, numHeads: 2)
    model.positionEmbedding = .none
    let objective = try MaskedSetPrediction(options, model: model, vocabulary: League.vocabulary)
    let steps = 400
    var settings = TrainerOptions(seed: 4, steps: steps)
    settings.optimizer.learningRate = 1e-2
    settings.schedule = LearningRateSchedule(type: .cosine, warmupSteps: 20)
    let trainer = try Trainer(
      objective, length: 22, plan: BatchPlan(batch: 64, microBatch: 32, ranks: 1, threads: 1), options: settings,
      communicator: SingleRank())
    trainer.parameters.initialize(seed: 4)
    let training = League(samplesPerEpoch: 20_000, first: 0)
    for step in 0..<steps {
      let examples = try Trainer.examples(
        step: step, rank: 0, plan: trainer.plan, objective: objective, source: training, context: trainer.context(step))
      _ = try trainer.step(step, examples)
    }
    let (model1, role1, count) = try topOne(
      objective, trainer.parameters, training, League(samplesPerEpoch: 640, first: 1 << 32))
    print("hidden players: top-1 \(model1) by the model, \(role1) by the frequency within the role, of \(count)")
    // A role has 60 to 160 players in the league, and 3 to 8 in the team.
    #expect(role1 < 0.02 && model1 > 0.2 && count > 1500)
  }

  /// Shares of hidden players that the model, and the most frequent player of the role in training, name first.
  private func topOne(
    _ objective: MaskedSetPrediction, _ parameters: ParameterSet, _ training: League, _ held: League
  ) throws -> (model: Double, role: Double, count: Int) {
    var frequency: [Int32: [Int32: Int]] = [:]
    let seen = training.samples(at: 0..<4000).tokens
    for i in stride(from: 0, to: seen.count, by: 2) { frequency[seen[i], default: [:]][seen[i + 1], default: 0] += 1 }
    let favourites = frequency.mapValues { $0.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key }

    let (arena, workspace) = Arena.sized { Transformer.Workspace(objective.encoder, samples: 32, length: 11, $0) }
    defer { withExtendedLifetime(arena) {} }
    let (head, saved) = (try #require(objective.encoder.head), try #require(workspace.head))
    var (model, role, count) = (0, 0, 0)
    for start in stride(from: UInt64(0), to: 640, by: 32) {
      let context = StepContext(seed: 4, step: 0, steps: 1, purpose: .evaluation)
      let example = objective.corrupt(held.samples(at: start..<start + 32), context)
      let (input, targets) = (example.inputs[0], example.targets[0])
      let hidden = objective.encoder.forward(input, Pass(parameters.trained), workspace)
      let logits = head.logits(hidden, rows: targets.rows, Pass(parameters.trained), saved)
      for (i, id) in targets.ids.enumerated() {
        let row = logits.rows(i..<i + 1).array
        model += row.firstIndex(of: row.max() ?? 0) == Int(id) ? 1 : 0
        role += favourites[input.roleIDs[targets.rows[i]]] == id ? 1 : 0
        count += 1
      }
    }
    return (Double(model) / Double(count), Double(role) / Double(count), count)
  }
}
