import Core
import Foundation
@testable import Metrics
import Testing

@Suite struct LearningCurveTests {
  private func axis(_ low: Double, _ high: Double, logarithmic: Bool = false) -> PlotAxis {
    PlotAxis(low: low, high: high, isLogarithmic: logarithmic, pixels: 0...100, isReversed: false)
  }

  @Test func ticksAreRoundAndInside() {
    #expect(axis(0, 1000).ticks.map(\.text) == ["0", "200", "400", "600", "800", "1000"])
    #expect(axis(0, 6000).ticks.map(\.text) == ["0", "1k", "2k", "3k", "4k", "5k", "6k"])
    #expect(axis(2.31, 2.94).ticks.map(\.text) == ["2.4", "2.5", "2.6", "2.7", "2.8", "2.9"])
    #expect(axis(0, 60_000).ticks.map(\.text) == ["0", "10k", "20k", "30k", "40k", "50k", "60k"])
    #expect(
      axis(0.0211, 0.0249).ticks.map(\.text) == ["0.0215", "0.0220", "0.0225", "0.0230", "0.0235", "0.0240", "0.0245"])
    #expect(
      axis(1, 1000, logarithmic: true).ticks.map(\.text) == [
        "1", "2", "5", "10", "20", "50", "100", "200", "500", "1k",
      ])
    #expect(axis(1, 1e6, logarithmic: true).ticks.map(\.text) == ["1", "10", "100", "1k", "10k", "100k", "1M"])
  }

  @Test func valuesLieWhereTheyShould() {
    #expect(axis(0, 10).position(2.5) == 25)
    #expect(abs(axis(1, 100, logarithmic: true).position(10) - 50) < 1e-9)
    #expect(PlotAxis(low: 0, high: 10, isLogarithmic: false, pixels: 0...100, isReversed: true).position(2.5) == 75)
  }

  @Test func thePictureHasBothCurvesAndNothingFromOutside() {
    let records = (1...200).map { record($0, validation: $0 % 50 == 0 ? 0.4 : nil) }
    let svg = LearningCurve(records).svg(.init(title: "a < b & c"))
    #expect(svg.components(separatedBy: "<polyline").count == 3)
    #expect(svg.components(separatedBy: "<circle").count == 5)
    #expect(svg.contains(">training</text>") && svg.contains(">validation</text>") && svg.contains("a &lt; b &amp; c"))
    #expect(!svg.contains("href") && !svg.contains("url("))
    #expect(svg.components(separatedBy: "http").count == 2, "only the name space")
  }

  @Test func noOrOnePointOrBrokenNumbersStillGiveAPicture() {
    for records in [
      [], [record(1)],
      [
        {
          var broken = record(2); broken.loss = .nan; return broken
        }()
      ],
    ] {
      let svg = LearningCurve(records).svg()
      #expect(svg.hasSuffix("</svg>\n") && !svg.contains("nan") && !svg.contains("inf"))
    }
    #expect(!LearningCurve([record(1)]).svg().contains(">validation</text>"))
  }

  @Test func aLongRunIsThinnedToWhatAScreenShows() {
    let points = (0..<50_000).map { LearningCurve.Point(step: $0, value: $0 == 31_234 ? 9 : 1 + Double($0 % 7) / 10) }
    let svg = LearningCurve(training: points, validation: []).svg()
    #expect(svg.utf8.count < 60_000)
    // The spike is the highest point of its column and must stay: 5 % of the range above it lies the top, at pixel 40.
    #expect(svg.contains(",56.27 "))
  }

  @Test func theFileIsMadeFromTheLog() throws {
    let scratch = try Scratch()
    let log = try MetricsLog(scratch.path + "/metrics.jsonl", resumedStep: 0)
    let records = (1...20).map { record($0, validation: $0 % 10 == 0 ? 0.4 : nil) }
    for record in records { try log.append(record) }
    try LearningCurve.write(metrics: log.path, to: scratch.path + "/curve.svg", options: .init(logarithmicSteps: true))
    let svg = try text(of: scratch.path + "/curve.svg")
    #expect(svg.contains("step (logarithmic)"))
    #expect(svg.components(separatedBy: "<circle").count == 3)
    #expect(svg == LearningCurve(records).svg(.init(logarithmicSteps: true)))
  }
}
