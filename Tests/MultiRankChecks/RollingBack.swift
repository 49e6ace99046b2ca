import Collectives
import Configuration
import Core
import Data
import Foundation
import Objectives
import Runs
import Storage
import Synchronization
import Tensors
import Training

/// Samples that flip a bit in this rank's replica when a position is read, once.
private struct Saboteur: SampleSource {
  let source: InMemoryDataset
  let strikesAt: UInt64
  let strike: @Sendable () -> Void

  var samplesPerEpoch: Int { source.samplesPerEpoch }

  func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    if positions.contains(strikesAt) { strike() }
    return try source.samples(at: positions)
  }
}

/// Where the saboteur strikes, and whether it has.
private final class Target: @unchecked Sendable {
  // Sendable: written before the run begins, and once by the one thread that reads samples.
  var view: TensorView?
  let hasStruck = Atomic<Bool>(false)

  func strike() {
    guard let view, hasStruck.compareExchange(expected: false, desired: true, ordering: .relaxed).exchanged else {
      return
    }
    view[3] = Float(bitPattern: view[3].bitPattern ^ (1 << 20))
  }
}

/// Whole runs of two ranks, which have no majority: one flipped bit sends both back to the newest checkpoint, or to the
/// start where there is none, and the run ends with the bits of an undisturbed one.
@MainActor func checkGoingBack() throws {
  guard communicator.size == 2 else { return }
  let folder = String(
    decoding: try communicator.broadcast(Array((NSTemporaryDirectory() + "lockstep-\(UUID().uuidString)").utf8)),
    as: UTF8.self)
  defer { if communicator.rank == 0 { try? FileManager.default.removeItem(atPath: folder) } }
  let undisturbed = try sabotagedRun("undisturbed", in: folder, strikesAt: .max)
  for (name, step) in [("after a checkpoint", 9), ("before any checkpoint", 2)] {
    let hash = try sabotagedRun(name, in: folder, strikesAt: UInt64(6 * step + 4))
    check(hash == undisturbed, "two replicas that differ \(name) roll back and end with the same bits")
  }
}

@MainActor private func sabotagedRun(_ name: String, in folder: String, strikesAt: UInt64) throws -> [String] {
  let random = CounterGenerator(seed: 1, purpose: .order)
  let documents = (0..<9).map { d in (0..<47).map { Int32(4 + (random.below(9, d * 100 + $0) + $0) % 40) } }
  let data = try InMemoryDataset(
    documents: documents, vocabulary: Vocabulary(size: 53), context: 8, order: .shuffled(seed: 3))
  let target = Target()
  let configuration = try RunConfiguration(
    toml: """
      name = "run"
      data.corpus = "memory"
      model = { max_position = 8, hidden_size = 16, num_layers = 1, num_heads = 2, dropout = 0.1 }
      batch = { samples = 6, micro_batch = 2 }
      duration.steps = 15
      [machine]
      runs = "\(folder)/\(name)"
      log_steps = 3
      checkpoint_steps = 5
      progress = "none"
      tensorboard = false
      """, place: "the check")
  let inputs = RunInputs(
    training: Saboteur(source: data, strikesAt: strikesAt, strike: { target.strike() }), validation: nil,
    vocabulary: Vocabulary(size: 53),
    tokenizerFiles: [:], dataHash: "data")
  let run = try TrainingRun(configuration, inputs, communicator: communicator, threads: 1)
  target.view = run.trainer.parameters.trained.view(4)
  _ = try run.execute()
  check(
    strikesAt == .max || communicator.rank == 0 || target.hasStruck.load(ordering: .relaxed),
    "the bit was flipped \(name)")
  let names = ["model.safetensors", "optimizer.safetensors", "state.json"]
  return communicator.rank == 0
    ? try names.map { try MappedFile("\(folder)/\(name)/run/checkpoints/step-00000015/\($0)").sha256() } : []
}
