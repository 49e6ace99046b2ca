import Collectives
import Core
import Evaluation
import Foundation
import Kernels
import Machine
import Models
import Objectives
import Optimizers
import Safetensors
import Storage
import Tensors
import TestSupport
import Training

// Run by mpirun with any number of ranks. With --record FILE it writes the hashes of its runs; with --expect FILE it
// compares them: scripts/multi-rank does so for 1, 2, 3, 4 and 7 ranks. Closes with `N passed, N failed`.

/// Deterministic text-like tokens with document boundaries, a function of position.
struct Documents: SampleSource {
  let vocabulary: Int
  let length: Int
  var lookahead = 1
  let samplesPerEpoch = 1000

  func samples(at positions: Range<UInt64>) -> SampleBatch {
    let stride = length + lookahead
    let random = CounterGenerator(seed: 11, purpose: .order)
    var (tokens, documentIDs) = ([Int32](), [Int32]())
    for position in positions {
      let r = random.at(position: position % UInt64(samplesPerEpoch), site: 0)
      let boundary = r.below(length, 1 << 20)
      for i in 0..<stride {
        tokens.append(Int32(4 + (r.below(7, i) * 5 + i) % (vocabulary - 4)))
        documentIDs.append(i < boundary ? 0 : 1)
      }
      // One sample in five is only half full: counts differ between micro-batches.
      if r.below(5, 1 << 21) == 0 { for i in length / 2..<stride { documentIDs[documentIDs.count - stride + i] = -1 } }
    }
    let epoch = UInt64(samplesPerEpoch)
    return SampleBatch(
      sampleIDs: Array(positions), indices: positions.map { $0 % epoch }, epochs: positions.map { $0 / epoch },
      length: length, lookahead: lookahead,
      tokens: tokens, documentIDs: documentIDs)
  }
}

struct RunHash: Codable, Equatable {
  var losses: String
  var weights: String
  var moments: String
}

/// Every kind of objective: one network, one with a second that draws tokens, one with three, with decoders, of sets;
/// and the positions of those that do not have the usual ones.
let walked = ["ar", "ar-diverse", "mlm", "electra", "electric", "retromae", "dupmae", "mpp"]
let positions: [String: ModelConfiguration.PositionEmbedding] = ["mpp": .none]

// A run on other kernels than the best would measure those by a start of this program.
try KernelStart.chooseKernel(run: { nil }) { _ in }
let communicator = try MPICommunicator()
var (passed, failed) = (0, 0)

@MainActor func check(_ holds: Bool, _ what: String) {
  if holds { passed += 1 } else { failed += 1 }
  if communicator.rank == 0 { print(holds ? "  ok    \(what)" : "  FAIL  \(what)") }
}

func digest(_ store: ParameterStore) -> String {
  SHA256.of(UnsafeRawBufferPointer(start: store.memory, count: 4 * store.layout.count))
}

func documents(_ objective: any Objective) -> Documents {
  Documents(vocabulary: 61, length: 24, lookahead: objective.requirements.lookahead)
}

/// The examples of this rank.
@MainActor func examples(_ step: Int, _ trainer: Trainer) throws -> [TrainingExample] {
  try Trainer.examples(
    step: step, rank: communicator.rank, plan: trainer.plan, objective: trainer.objective,
    source: documents(trainer.objective),
    context: trainer.context(step))
}

/// Trains a tiny model with dropout; micro-batches do not divide evenly over most rank counts.
@MainActor func train(
  _ name: String, steps: Range<Int>, threads: Int, sum: SumArithmetic = .exact, divergence: DivergencePolicy = .repair,
  over communicator: any Communicator = communicator
) throws -> (hash: RunHash, trainer: Trainer) {
  let vocabulary = Vocabulary(size: 61, mask: 0, cls: 2, sep: 3, special: [0, 1, 2, 3])
  guard let entry = ObjectiveRegistry.entry(named: name) else { preconditionFailure("no objective \(name)") }
  var model: ModelConfiguration =
    entry.defaultRequirements.attentionMask == .causal
    ? .gpt2(vocabSize: 61, maxPosition: 24, hiddenSize: 32, numLayers: 2, numHeads: 4, dropout: 0.1)
    : .bert(vocabSize: 61, maxPosition: 24, hiddenSize: 32, numLayers: 2, numHeads: 4, dropout: 0.1)
  model.positionEmbedding = positions[name] ?? model.positionEmbedding
  let objective = try entry.make(entry.defaultOptions, model, DataShape(vocabulary))
  var options = TrainerOptions(seed: 5, steps: 50, sum: sum, bucketBytes: 16 << 10, divergence: divergence)
  options.schedule = LearningRateSchedule(type: .cosine, warmupSteps: 5)
  let plan = BatchPlan(batch: 33, microBatch: 3, ranks: communicator.size, threads: threads)
  let trainer = try Trainer(objective, length: 24, plan: plan, options: options, communicator: communicator)
  trainer.parameters.initialize(seed: 5)
  var losses = SHA256()
  for step in steps {
    let outcome = try trainer.step(step, try examples(step, trainer))
    losses.update(
      "\(outcome.loss.bitPattern) \(outcome.gradNorm.bitPattern) \(outcome.microBatchLosses.map { $0.map(\.bitPattern) })\n"
    )
  }
  let validation = try trainer.evaluate(documents(objective), samples: 31)
  losses.update("\(validation.map(\.bitPattern))")
  let hash = RunHash(
    losses: losses.finish(), weights: digest(trainer.parameters.trained),
    moments: digest(trainer.optimizer.firstMoment) + digest(trainer.optimizer.secondMoment))
  return (hash, trainer)
}

/// Hashes of all ranks are one.
@MainActor func agree(_ hash: RunHash) throws -> Bool {
  let all = try communicator.allGather(Array((hash.losses + hash.weights + hash.moments).utf8))
  return all.allSatisfy { $0 == all[0] }
}

// The control of a comparison over the library's algorithms: a blocking float sum, which is rounded in their order.
if CommandLine.arguments.contains("--control") {
  var numbers = SeededNumbers(UInt64(communicator.rank))
  var values = numbers.normal(100_000)
  try communicator.sumBlocking(&values)
  if communicator.rank == 0 { print("control \(values.withUnsafeBytes { SHA256.of($0) })") }
  try communicator.stop()
  exit(0)
}

var results: [String: RunHash] = [:]
for name in walked {
  let (hash, trainer) = try train(name, steps: 0..<50, threads: 1)
  results[name] = hash
  if communicator.size > 1, name == "ar" || name == "mlm" {
    check(
      trainer.sum.isShared == (communicator.localSize == communicator.size),
      "\(name): the ranks of one node sum in memory that all of them see")
    let (messages, other) = try train(
      name, steps: 0..<50, threads: 1, over: Watched(communicator, sharesMemory: false))
    check(messages == hash && !other.sum.isShared, "\(name): a sum by messages gives the same bits")
  }
  check(try agree(hash), "\(name): all ranks hold the same weights after 50 steps")
  let (threaded, _) = try train(name, steps: 0..<50, threads: 2)
  check(threaded == hash, "\(name): two threads per rank give the same bits as one")
  let (control, _) = try train(name, steps: 0..<50, threads: 1, sum: .float)
  results["\(name) float control"] = control
}

// Objectives with a teacher, with two terms and with dropped inputs need nothing of the trainer that it does not have.
for toy in try ToyRun.all() {
  let plan = BatchPlan(batch: 15, microBatch: 3, ranks: communicator.size, threads: 1)
  let trainer = try Trainer(
    toy.objective, length: toy.model.maxPosition, plan: plan, options: TrainerOptions(seed: 2, steps: 10),
    communicator: communicator)
  trainer.parameters.initialize(seed: 2)
  var losses = SHA256()
  for step in 0..<10 {
    let examples = try Trainer.examples(
      step: step, rank: communicator.rank, plan: plan, objective: toy.objective, source: toy.source,
      context: trainer.context(step))
    losses.update("\(try trainer.step(step, examples).termLosses.map(\.bitPattern))")
  }
  let auxiliaries = toy.objective.networks.auxiliaries.map { digest(trainer.parameters.auxiliary($0.name)) }.joined()
  let hash = RunHash(
    losses: losses.finish(), weights: digest(trainer.parameters.trained) + auxiliaries,
    moments: digest(trainer.optimizer.firstMoment))
  results[toy.name] = hash
  check(try agree(hash), "\(toy.name): all ranks hold the same weights, and the same teacher")
}

for (name, hash) in try repeatedTexts() { results[name] = hash }
// Pairs of a corpus, counted by all ranks together: one report, whatever their number.
do {
  let r = CounterGenerator(seed: 4, purpose: .order)
  let documents = (0..<50).map { d in
    (0..<40).map { i in Int32(min(r.below(9, 80 * d + 2 * i), r.below(9, 80 * d + 2 * i + 1))) }
  }
  var options = PairOptions()
  (options.window, options.vocabulary, options.pairs, options.rank) = (8, 7, 5003, 5)
  let report = try CooccurrenceReport.measure(documents, .masked(hidden: 2), options, over: communicator)
  let figures = (report.singularValues + report.tails + [report.collision]).map(\.bitPattern)
  results["pairs"] = RunHash(losses: "\(report.conditions) \(report.components) \(figures)", weights: "", moments: "")
  check(
    try agree(results["pairs"] ?? RunHash(losses: "", weights: "", moments: "")),
    "all ranks describe \(report.pairs) pairs alike")
}

// A NaN in the gradients of one rank stops all of them at the same step, and names a tensor. Replicas are not compared,
// for that would find it first.
do {
  let (_, trainer) = try train("ar", steps: 0..<1, threads: 1, divergence: .off)
  if communicator.rank == communicator.size - 1 { trainer.parameters.trained.view(4)[0] = .nan }
  do {
    _ = try trainer.step(1, try examples(1, trainer))
    check(false, "a NaN on one rank stops every rank")
  } catch let error as NumericsError {
    check(
      error.description.contains("step 1") && error.description.contains("not finite"),
      "a NaN on one rank stops every rank: \(error)")
  }
}

// Exponents so high that the largest gradient of a tensor does not fit, which only the rank that has it can see: every
// rank takes the step again, and goes on with the same bits as any other number of ranks.
do {
  let (_, trainer) = try train("ar", steps: 0..<2, threads: 1)
  let usual = trainer.sum.exponents
  var (repeats, raised, onSome) = (0, 8, false)
  while repeats == 0, raised < 24 {
    let before = (
      trainer.parameters.trained.all.array, trainer.optimizer.firstMoment.all.array,
      trainer.optimizer.secondMoment.all.array
    )
    trainer.sum.restore(exponents: usual.map { $0 + raised })
    repeats = try trainer.step(2, try examples(2, trainer)).repeats
    let here = trainer.sum.overflowed.map { Int64($0 ? 1 : 0) }
    var everywhere = here
    try communicator.allReduce(&everywhere, .sum)
    onSome = everywhere.contains { $0 > 0 && $0 < communicator.size }
    if repeats == 0 {
      trainer.parameters.trained.all.copy(from: before.0)
      trainer.optimizer.firstMoment.all.copy(from: before.1)
      trainer.optimizer.secondMoment.all.copy(from: before.2)
      trainer.startReplicas()
      raised += 1
    }
  }
  check(repeats > 0, "an overflow repeats the step (\(repeats) times, exponents raised by \(raised))")
  if communicator.size > 1 { check(onSome, "the overflow was seen on some ranks and not on others") }
  results["overflow"] = RunHash(
    losses: "\(raised) \(repeats)", weights: digest(trainer.parameters.trained),
    moments: digest(trainer.optimizer.firstMoment))
}

try checkFlips()
try checkGoingBack()

if communicator.rank == 0 {
  let arguments = CommandLine.arguments
  let encoder = JSONEncoder.snakeCase(pretty: true)
  if let i = arguments.firstIndex(of: "--record"), i + 1 < arguments.count {
    try encoder.encode(results).write(to: URL(fileURLWithPath: arguments[i + 1]))
  }
  if let i = arguments.firstIndex(of: "--expect"), i + 1 < arguments.count {
    let expected = try JSONDecoder.snakeCase().decode(
      [String: RunHash].self, from: Data(contentsOf: URL(fileURLWithPath: arguments[i + 1])))
    for name in walked {
      check(results[name] == expected[name], "\(name): \(communicator.size) ranks give the bits of the recorded run")
      let control = "\(name) float control"
      check(
        results[control]?.weights != expected[control]?.weights,
        "\(name): the float control differs, so the comparison can fail")
    }
    check(
      results["pairs"] == expected["pairs"],
      "pairs counted on \(communicator.size) ranks give the figures of the recorded run")
    check(
      results["overflow"] == expected["overflow"],
      "an overflow on \(communicator.size) ranks gives the bits of the recorded run")
    for name in repeatedNames {
      check(results[name] == expected[name], "\(name): \(communicator.size) ranks give the bits of the recorded run")
    }
    for toy in try ToyRun.all() {
      check(
        results[toy.name] == expected[toy.name],
        "\(toy.name): \(communicator.size) ranks give the bits of the recorded run")
    }
  }
  print("\(passed) passed, \(failed) failed")
}
try communicator.stop()
exit(failed == 0 ? 0 : 1)
