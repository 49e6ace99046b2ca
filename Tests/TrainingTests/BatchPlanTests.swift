import Testing
@testable import Training

@Suite struct BatchPlanTests {
  @Test func sixteenOnSevenRanks() {
    let plan = BatchPlan(batch: 128, microBatch: 8, ranks: 7, threads: 1)
    #expect((0..<7).map { plan.microBatches(of: $0).count } == [3, 3, 2, 2, 2, 2, 2])
  }

  @Test(arguments: [1, 2, 3, 5, 8, 13], [1, 2, 3])
  func everyMicroBatchIsDealtOnce(ranks: Int, threads: Int) {
    let plan = BatchPlan(batch: 33, microBatch: 3, ranks: ranks, threads: threads)
    let partitioned = (0..<ranks).flatMap { rank in
      (0..<threads).flatMap { thread in
        plan.share(of: thread, rank: rank).map { plan.microBatches(of: rank).lowerBound + $0 }
      }
    }
    #expect(partitioned == Array(0..<11))
    #expect(plan.idleWorkers == max(0, ranks * threads - 11))
  }

  @Test func positionsFollowTheStream() {
    let plan = BatchPlan(batch: 12, microBatch: 4, ranks: 2, threads: 1)
    #expect(plan.positions(step: 0, microBatch: 0) == 0..<4)
    #expect(plan.positions(step: 2, microBatch: 1) == 28..<32)
  }
}
