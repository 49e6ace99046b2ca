import Benchmarks
import Core
import Testing

@Suite struct ClusterModelTests {
  /// Two tensors of 2¹⁷ elements; the first is complete at 60 % of a micro-batch, the second at its end.
  private let profile = StepProfile(
    threads: 2, microBatchS: 1, updateS: 0.1, readiness: [0.6, 1], ends: [1 << 17, 1 << 18], addS: 0)

  private func model(_ microBatches: Int, bytesPerSecond: Double, latency: Double = 0) -> ClusterModel {
    ClusterModel(
      profile, microBatches: microBatches,
      network: NetworkModel(name: "test", latency: latency, bandwidth: bytesPerSecond))
  }

  private func job(_ nodes: Int, _ ranks: Int = 1, _ threads: Int = 1) -> PlannedJob {
    PlannedJob(nodes: nodes, ranks: ranks, threads: threads, bucketMegabytes: 1)
  }

  @Test func oneRankHasNothingToSend() {
    let step = model(8, bytesPerSecond: 1).predict(job(1, 1, 2))
    #expect(step.computeS == 4 && step.communicationS == 0 && step.exposedS == 0 && step.updateS == 0.1)
    #expect(abs(step.stepS - 4.1) < 1e-12 && abs(step.efficiency - 1) < 1e-12)
  }

  /// 12 bytes an element and half of them to the other node: 786,432 bytes a bucket.
  @Test func theLastBucketIsExposed() {
    let bytes = 12.0 * Double(1 << 17) / 2
    // 0.2 s a bucket: the first is hidden behind the rest of the micro-batch, the second is not.
    let step = model(2, bytesPerSecond: bytes / 0.2).predict(job(2))
    #expect(step.computeS == 1 && abs(step.communicationS - 0.4) < 1e-9 && abs(step.exposedS - 0.2) < 1e-9)
    // 0.7 s a bucket: the second waits for the first, which began at 0.6.
    let slow = model(2, bytesPerSecond: bytes / 0.7).predict(job(2))
    #expect(abs(slow.exposedS - 1.0) < 1e-9)
  }

  @Test func idleThreadsCostEfficiency() {
    let step = model(3, bytesPerSecond: 1e15).predict(job(2))
    // Two micro-batches on the busiest of two nodes, 1.5 on average; the update takes twice as long on one thread.
    #expect(step.computeS == 2 && abs(step.efficiency - (1.5 + 0.2) / (2 + 0.2)) < 1e-6)
  }

  @Test func oneRankANodeSendsLeast() {
    let cluster = model(64, bytesPerSecond: 1e7)
    #expect(cluster.predict(job(4, 1, 2)).communicationS < cluster.predict(job(4, 2, 1)).communicationS)
    let best = cluster.best(nodes: 4, cores: 2)
    #expect(best.job.ranks == 1 && best.job.threads == 2 && best.stepS <= cluster.predict(job(4, 2, 1)).stepS)
    // A thousand nodes are no harder.
    #expect(model(8192, bytesPerSecond: 1e9).best(nodes: 1024, cores: 8).stepS.isFinite)
  }

  @Test func networks() {
    #expect(abs((NetworkModel("10GbE")?.bandwidth ?? 0) / (0.94 * 10e9 / 8) - 1) < 1e-12)
    let measured = NetworkModel("2:30")
    #expect(measured?.bandwidth == 2e9 / 8 && abs((measured?.latency ?? 0) - 30e-6) < 1e-12)
    for text in ["", "fast", "10", "0:1", "1:-1", "1:2:3"] { #expect(NetworkModel(text) == nil, "\(text)") }
  }
}
