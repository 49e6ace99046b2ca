@testable import Classification
@testable import Evaluation
import Testing

@Suite struct PredictionsTests {
  private let data = LabelledText(
    classes: ["no", "yes"], train: [.init(text: [65], label: 0)],
    test: [.init(text: Array("a\tb\\\n".utf8), label: 0, line: 7), .init(text: Array("c".utf8), label: 1, line: 9)])

  /// A row is a line, whatever stands in a text.
  @Test func tableHasALinePerExample() {
    let predictions = Predictions("probe.mean", [1, 1], data)
    let text = String(decoding: Predictions.table([predictions]), as: UTF8.self)
    let wanted =
      "measure\tline\tlabel\tpredicted\tcorrect\ttext\nprobe.mean\t7\tno\tyes\t0\ta\\tb\\\\\\n\nprobe.mean\t9\tyes\tyes\t1\tc\n"
    #expect(text == wanted)
  }
}
