@testable import Comparison
import Evaluation
import Foundation
import Testing

/// Pictures of measures, and baselines that measures give.
@Suite struct PictureTests {
  private let lines = MeasuredPicture(
    "record-1", caption: "One & two.",
    lines: .init(xLabel: "step", yLabel: "value", curves: [.init("input", [[0, 1], [1, 3]], isLine: true)]))

  @Test func picturesBecomeFiles() throws {
    let image = MeasuredPicture("records", caption: "Rows.", png: Data([1, 2, 3]))
    let all = ArmPictures(arm: "A b", seed: 1, measure: "reconstruct", pictures: [image, lines])
    let files = all.files(2)
    #expect(
      files.map(\.file.name) == ["picture3-a-b-reconstruct-records.png", "picture3-a-b-reconstruct-record-1.svg"])
    #expect(files[0].file.bytes == [1, 2, 3] && files[0].file.element.contains("data:image/png;base64,AQID"))
    #expect(files[1].file.element.hasPrefix("<svg") && !files[1].file.element.contains("<img"))
    #expect(files.allSatisfy { ReportFiles.isFigure($0.file.name) })
    for other in ["picture.png", "picture-a.png", "picture1-a.txt", "picturex-a.svg"] {
      #expect(!ReportFiles.isFigure(other), "\(other)")
    }
    var empty = lines
    empty.lines?.curves = []
    #expect(PictureFile(empty, prefix: "a") == nil)
  }

  /// A result with pictures and one without are the same after JSON.
  @Test func resultsKeepTheirPictures() throws {
    for pictures in [[], [lines]] {
      let result = MeasureResult([.init("a", 1, baselineOf: "b")], pictures: pictures)
      let decoded = try JSONDecoder().decode(MeasureResult.self, from: try JSONEncoder().encode(result))
      #expect(decoded == result && decoded.pictures == pictures)
    }
  }

  @Test func baselinesOfAMeasureAreNamed() {
    let values = [
      MeasuredValue("forecast.24.mse", 0.5, better: .lower),
      MeasuredValue("forecast.24.last_value_mse", 2, baselineOf: "forecast.24.mse"),
      MeasuredValue("forecast.24.raw_mse", .nan, baselineOf: "forecast.24.mse"),
    ]
    #expect(
      Baseline.of("forecast", values)
        == [Baseline(name: "last value", measure: "forecast", value: "forecast.24.mse", number: 2)])
  }

  @Test func theInputIsABaselineOfAProbe() {
    let values = [
      MeasuredValue("probe.mean.accuracy", 0.5, better: .higher), MeasuredValue("probe.majority_accuracy", 0.2),
      MeasuredValue("probe.raw_accuracy", 0.4),
    ]
    #expect(
      Baseline.of("probe", values, words: nil).map(\.name) == [Baseline.mostFrequentClass, Baseline.rawInput])
  }
}
