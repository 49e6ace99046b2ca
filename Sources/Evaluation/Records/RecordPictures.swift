import Core
import Data
import Foundation
import Storage

/// Pictures of records, of what an objective hid of them, and of what it predicted: pixels where a record has two axes
/// or three, curves where it has one.
struct RecordPictures {
  private let predictor: RecordPredictor
  private var grid: GridShape { predictor.grid }

  init(_ predictor: RecordPredictor) { self.predictor = predictor }

  func pictures(_ records: [PredictedRecord]) -> [MeasuredPicture] {
    switch grid.extent.count {
    case 2, 3: records.isEmpty ? [] : [image(records)]
    case 1: records.enumerated().map { curves($1, number: $0 + 1) }
    default: []
    }
  }

  /// The record [channels, extent…] in the data's units with scored positions predicted, and which of it was hidden.
  private func output(_ record: PredictedRecord) -> (truth: [Double], output: [Double], isHidden: [Bool]) {
    let k = grid.size
    var truth = [Double](repeating: 0, count: grid.count)
    var isHidden = [Bool](repeating: false, count: grid.count)
    for position in 0..<grid.positions {
      for j in 0..<k {
        truth[grid.element(position, j)] = predictor.inUnits(Double(record.numbers[position * k + j]), position, j)
      }
    }
    var output = truth
    for position in record.hidden { for j in 0..<k { isHidden[grid.element(position, j)] = true } }
    for (index, position) in record.scored.enumerated() {
      for j in 0..<k where record.isScored.isEmpty || record.isScored[index * k + j] {
        output[grid.element(position, j)] = predictor.inUnits(Double(record.predicted[index * k + j]), position, j)
      }
    }
    return (truth, output, isHidden)
  }

  // MARK: - Pixels

  /// A row per record: the input, the input without what was hidden, the output.
  private func image(_ records: [PredictedRecord]) -> MeasuredPicture {
    let (height, width) = (grid.extent[grid.extent.count - 2], grid.extent[grid.extent.count - 1])
    let scale = max(1, 96 / max(height, width))
    let gap = 4
    var canvas = PixelCanvas(
      width: 3 * width * scale + 2 * gap, height: records.count * (height * scale + gap) - gap, channels: grid.colors)
    for (row, record) in records.enumerated() {
      let (truth, output, isHidden) = output(record)
      let (low, high) = (truth.min() ?? 0, truth.max() ?? 0)
      for panel in 0..<3 {
        for y in 0..<height {
          for x in 0..<width {
            for c in 0..<grid.colors {
              let place = grid.pixel(channel: c, y, x)
              let value = panel == 2 ? output[place] : truth[place]
              let shade = panel == 1 && isHidden[place] ? 128 : PixelCanvas.shade(value, low, high)
              canvas.fill(
                (panel * (width * scale + gap) + x * scale, row * (height * scale + gap) + y * scale), size: scale,
                channel: c, shade)
            }
          }
        }
      }
    }
    let more = grid.extent.count == 3 ? ", the middle one of \(grid.extent[0]) planes" : ""
    return MeasuredPicture(
      "records",
      caption:
        "Records of the split, a row each: the input, the input with hidden positions in grey, and the input with predictions in their places\(more).",
      png: Data(canvas.png))
  }

  // MARK: - Curves

  /// The first channel: the input, its visible numbers, and the predictions.
  private func curves(_ record: PredictedRecord, number: Int) -> MeasuredPicture {
    let (truth, output, isHidden) = output(record)
    let steps = 0..<grid.extent[0]
    var isPredicted = [Bool](repeating: false, count: grid.count)
    for position in record.scored { for j in 0..<grid.size { isPredicted[grid.element(position, j)] = true } }
    func points(_ values: [Double], _ isShown: (Int) -> Bool) -> [[Double]] {
      steps.filter(isShown).map { [Double($0), values[$0]] }
    }
    return MeasuredPicture(
      "record-\(number)",
      caption: "Record \(number) of those drawn, channel 1: the input, its visible numbers, and the predictions.",
      lines: .init(
        xLabel: "step", yLabel: "value",
        curves: [
          .init("input", points(truth) { _ in true }, isLine: true),
          .init("visible", points(truth) { !isHidden[$0] }, isLine: false),
          .init("predicted", points(output) { isPredicted[$0] }, isLine: false),
        ]))
  }
}
