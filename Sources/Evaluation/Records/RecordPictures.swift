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

  /// Three channels are red, green and blue; of any other number the first is shown in grey.
  private var channels: Int { grid.channels == 3 ? 3 : 1 }

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
    var canvas = Canvas(
      width: 3 * width * scale + 2 * gap, height: records.count * (height * scale + gap) - gap, channels: channels)
    for (row, record) in records.enumerated() {
      let (truth, output, isHidden) = output(record)
      let (low, high) = (truth.min() ?? 0, truth.max() ?? 0)
      for panel in 0..<3 {
        for y in 0..<height {
          for x in 0..<width {
            for c in 0..<channels {
              let place = element(c, y, x, height, width)
              let value = panel == 2 ? output[place] : truth[place]
              let level = high > low ? (value - low) / (high - low) : 0.5
              let shade = panel == 1 && isHidden[place] ? 128 : UInt8(max(0, min(255, (level * 255).rounded())))
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

  /// The place of a pixel in the record, in the middle plane where there are three axes.
  private func element(_ channel: Int, _ y: Int, _ x: Int, _ height: Int, _ width: Int) -> Int {
    let planes = grid.extent.count == 3 ? grid.extent[0] : 1
    return ((channel * planes + planes / 2) * height + y) * width + x
  }

  /// White pixels that are painted over.
  private struct Canvas {
    let width: Int
    let height: Int
    let channels: Int
    private var pixels: [UInt8]

    init(width: Int, height: Int, channels: Int) {
      (self.width, self.height, self.channels) = (width, height, channels)
      pixels = [UInt8](repeating: 255, count: width * height * channels)
    }

    /// A square of one shade.
    mutating func fill(_ corner: (x: Int, y: Int), size: Int, channel: Int, _ shade: UInt8) {
      for y in corner.y..<corner.y + size {
        for x in corner.x..<corner.x + size { pixels[(y * width + x) * channels + channel] = shade }
      }
    }

    var png: [UInt8] { PNG.encode(pixels, width: width, height: height, channels: channels) }
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
