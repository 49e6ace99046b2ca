import Collectives
import Core
import Foundation
import Training

/// A network between nodes: seconds of a message, and bytes a second in each direction.
public struct NetworkModel: Codable, Sendable, Equatable {
  public var name: String
  /// α: seconds from the start of a small message to its arrival.
  public var latency: Double
  /// 1/β: bytes a second that a node sends while it receives as many.
  public var bandwidth: Double

  /// A network of known properties.
  public init(name: String, latency: Double, bandwidth: Double) {
    (self.name, self.latency, self.bandwidth) = (name, latency, bandwidth)
  }

  /// Ethernet by its name, such as 10GbE, with TCP's share of the line rate and an ordinary latency; or
  /// GBIT:MICROSECONDS as measured. nil for anything else.
  public init?(_ text: String) {
    let ethernet = [
      "1GbE": (1.0, 50e-6), "2.5GbE": (2.5, 50e-6), "10GbE": (10, 30e-6), "25GbE": (25, 20e-6),
      "40GbE": (40, 20e-6), "50GbE": (50, 15e-6), "100GbE": (100, 15e-6), "200GbE": (200, 10e-6),
    ]
    if let (gigabits, latency) = ethernet[text] {
      self.init(name: text, latency: latency, bandwidth: 0.94 * gigabits * 1e9 / 8)
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Double($0) }
    guard parts.count == 2, let gigabits = parts[0], let microseconds = parts[1], (0.001...10_000).contains(gigabits),
      (0...1_000_000).contains(microseconds)
    else { return nil }
    self.init(name: text, latency: microseconds * 1e-6, bandwidth: gigabits * 1e9 / 8)
  }
}

/// A job that is predicted.
public struct PlannedJob: Codable, Sendable, Equatable {
  /// Hosts.
  public var nodes: Int
  /// Ranks of each node.
  public var ranks: Int
  /// Threads of each rank.
  public var threads: Int
  /// Size of a bucket of integers, in MiB.
  public var bucketMegabytes: Double

  /// A job of this layout on every node.
  public init(nodes: Int, ranks: Int, threads: Int, bucketMegabytes: Double) {
    (self.nodes, self.ranks, self.threads) = (nodes, ranks, threads)
    self.bucketMegabytes = bucketMegabytes
  }
}

/// What is predicted of it.
public struct PlannedStep: Codable, Sendable {
  /// The job.
  public var job: PlannedJob
  /// Seconds of a step.
  public var stepS: Double
  /// Seconds of forward and backward on the busiest thread.
  public var computeS: Double
  /// Seconds in which the network or the owners of parts are busy.
  public var communicationS: Double
  /// Seconds of that after the last backward pass: nothing hides them.
  public var exposedS: Double
  /// Seconds of norm and update.
  public var updateS: Double
  /// Speed over that of as many nodes without communication and idle threads.
  public var efficiency: Double
}

/// Predicts steps of jobs from a profile by an α-β-γ model: a message of n bytes takes α + n·β, the owner of a part
/// takes γ for each integer. Buckets are simulated one by one: a bucket starts when every rank's backward pass has
/// completed it and the network is free.
///
/// *Assumed:* nodes like this one; all ranks equally fast; a network on which all nodes send at full speed at the same
/// time. Not modelled: noise, reading data, checkpoints.
/// Reference: Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH", 2005.
public struct ClusterModel: Sendable {
  /// What was measured on this machine.
  public var profile: StepProfile
  /// Micro-batches of a step.
  public var microBatches: Int
  /// The network between nodes.
  public var network: NetworkModel

  /// A model from what was measured.
  public init(_ profile: StepProfile, microBatches: Int, network: NetworkModel) {
    (self.profile, self.microBatches, self.network) = (profile, microBatches, network)
  }

  /// The step of a job.
  /// - Complexity: one turn per bucket.
  public func predict(_ job: PlannedJob) -> PlannedStep {
    let ranks = job.nodes * job.ranks
    let mine = BatchPlan.partition(microBatches, to: ranks, 0).count
    let busiest = BatchPlan.partition(mine, to: job.threads, 0).count
    let compute = Double(busiest) * profile.microBatchS
    var (free, busy) = (0.0, 0.0)
    if ranks > 1 {
      for bucket in buckets(job) {
        let start = max(compute - (1 - bucket.ready) * profile.microBatchS, free)
        let seconds = seconds(bucket.elements, job)
        free = start + seconds
        busy += seconds
      }
    }
    let exposed = max(0, free - compute)
    let agreements = ranks > 1 ? 3 * latency(job) * log2(Double(ranks)).rounded(.up) : 0
    // Every rank updates all parameters with its own threads.
    let update = profile.updateS * Double(profile.threads) / Double(job.threads)
    let step = compute + exposed + agreements + update
    let ideal = Double(microBatches) * profile.microBatchS / Double(ranks * job.threads) + update
    return PlannedStep(
      job: job, stepS: step, computeS: compute, communicationS: busy, exposedS: exposed + agreements, updateS: update,
      efficiency: ideal / step)
  }

  /// The job with the shortest step among divisions of a node's cores into ranks and threads, and sizes of buckets.
  public func best(nodes: Int, cores: Int) -> PlannedStep {
    let layouts = (1...cores).filter { cores % $0 == 0 }.map { (ranks: $0, threads: cores / $0) }
    let jobs = layouts.flatMap { layout in
      [1.0, 4, 16].map {
        PlannedJob(nodes: nodes, ranks: layout.ranks, threads: layout.threads, bucketMegabytes: $0)
      }
    }
    // Of equal steps the one with the fewest ranks, which needs the least memory.
    let steps = jobs.map(predict)
    let shortest = steps.map(\.stepS).min() ?? 0
    return steps.first { $0.stepS <= 1.005 * shortest } ?? steps[0]
  }

  // MARK: - Buckets

  private func buckets(_ job: PlannedJob) -> [(elements: Int, ready: Double)] {
    GradientReducer.buckets(ends: profile.ends, most: max(Int(job.bucketMegabytes * 1_048_576) / 8, 1)).map { range in
      let entry = profile.ends.firstIndex { $0 >= range.upperBound } ?? profile.ends.count - 1
      return (range.count, profile.readiness[entry])
    }
  }

  private func latency(_ job: PlannedJob) -> Double { job.nodes > 1 ? network.latency : 1e-6 }

  /// Seconds of a bucket: all ranks' integers to the owners, their sums, and the floats back.
  private func seconds(_ elements: Int, _ job: PlannedJob) -> Double {
    let (ranks, n) = (job.nodes * job.ranks, Double(elements))
    // A rank adds its part of all ranks' integers.
    let adding = profile.addS * n
    guard job.nodes > 1 else { return adding }
    let others = Double(ranks - job.ranks) / Double(ranks)
    let bytes = 12 * n * Double(job.ranks) * others
    return adding + bytes / network.bandwidth + 2 * network.latency * log2(Double(ranks)).rounded(.up)
  }
}
