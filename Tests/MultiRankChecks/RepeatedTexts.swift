import Collectives
import Core
import Data
import Kernels
import Models
import Objectives
import Optimizers
import Storage
import Training

/// Names under which the hashes are kept.
let repeatedNames = FullyExploredMasks.Placement.allCases.map { "mlm-explored \($0.rawValue)" }

/// Objectives that read a text several times per step train on the same samples, and to the same weights, on any ranks.
@MainActor func repeatedTexts() throws -> [(String, RunHash)] {
  try zip(repeatedNames, FullyExploredMasks.Placement.allCases).map { name, placement in
    var options = FullyExploredMasks.Options()
    (options.placement, options.sets, options.lossNormalization) = (placement, 3, placement == .batch ? .set : .token)
    let model = ModelConfiguration.bert(
      vocabSize: 61, maxPosition: 24, hiddenSize: 32, numLayers: 2, numHeads: 4, dropout: 0.1)
    let objective = try FullyExploredMasks(
      options, model: model, vocabulary: Vocabulary(size: 61, mask: 0, special: [0, 1, 2, 3]))
    let plan = BatchPlan(batch: 36, microBatch: 3, ranks: communicator.size, threads: 1)
    let source = RepeatedSource(
      Documents(vocabulary: 61, length: 24),
      RepeatedStream(FullyExploredMasks.requirements(options).repetition, batch: 36, microBatch: 3))
    let trainer = try Trainer(
      objective, length: 24, plan: plan, options: TrainerOptions(seed: 5, steps: 10, bucketBytes: 16 << 10),
      communicator: communicator)
    trainer.parameters.initialize(seed: 5)
    var losses = SHA256()
    var samples = SampleDigest()
    for step in 0..<10 {
      let examples = try Trainer.examples(
        step: step, rank: communicator.rank, plan: plan, objective: objective, source: source,
        context: trainer.context(step))
      let outcome = try trainer.step(step, examples)
      losses.update("\(outcome.loss.bitPattern) \(outcome.counts)\n")
      samples &+= outcome.samples
    }
    var words = samples.words
    try communicator.allReduce(&words, .sum)
    losses.update("\(SampleDigest(words: words))")
    let hash = RunHash(
      losses: losses.finish(), weights: digest(trainer.parameters.trained),
      moments: digest(trainer.optimizer.firstMoment))
    check(try agree(hash), "\(name): all ranks hold the same weights and samples")
    return (name, hash)
  }
}
