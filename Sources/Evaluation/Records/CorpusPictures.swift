import Core
import Data
import Foundation
import Objectives

/// Pictures of a few records of a corpus of numbers, for a person to look at before training: a contact sheet where
/// records have two axes or three, or rows of many numbers; curves where rows have few.
public struct CorpusPictures {
  /// One sheet, or one chart per record.
  public let pictures: [MeasuredPicture]
  /// What each record shown is: its labels, in reading order, - for one without; empty where no record has any.
  public let labels: [String]

  /// Numbers of a row up to which they are drawn as curves.
  static let mostCurves = 8
  /// Rows of a long record or a sequence that are drawn.
  static let mostRows = 512
  /// Pixels of an image along each axis; of a larger one every n-th is drawn.
  static let mostPixels = 256

  /// - Parameter records: at most so many, evenly spread over the split.
  /// - Throws: `ConfigurationError` for a corpus of text; `DataError` for damaged shards.
  public init(_ corpus: Corpus, _ split: CorpusSplit = .train, records: Int) throws {
    guard let values = corpus.manifest.values else {
      throw ConfigurationError("--pictures", "is for corpora of numbers, and \(corpus.folder) holds text.")
    }
    let isLong = values.extent.count == 1 && values.extent[0] > Self.mostRows
    let window = values.form == .sequences || isLong ? Self.mostRows : 0
    let shape = try values.shape(patch: [], window: window)
    guard let grid = shape.grid else { preconditionFailure("a corpus of numbers has a grid") }
    let source = SpreadSource(
      try ValueDataset(corpus, split: split, shape: shape, order: .sequential, stride: window), count: max(1, records))
    let shown = try (0..<UInt64(source.samplesPerEpoch)).map {
      Shown(try source.samples(at: $0..<$0 + 1), grid, values)
    }
    labels = shown.allSatisfy(\.label.isEmpty) ? [] : shown.map { $0.label.isEmpty ? "-" : $0.label }
    switch grid.extent.count {
    case 1 where grid.channels <= Self.mostCurves:
      pictures = shown.enumerated().map { Self.curves($1, number: $0 + 1, grid) }
    case 1:
      pictures = [
        Self.sheet(
          shown, (height: grid.channels, width: shown.map(\.steps).max() ?? 0), colors: 1,
          caption: "Records of the split, time to the right, the first number of a row at the bottom."
        ) { record, _, y, x in
          x < record.steps ? (grid.channels - 1 - y) * grid.extent[0] + x : nil
        }
      ]
    case 2, 3:
      let more = grid.extent.count == 3 ? ", the middle one of \(grid.extent[0]) planes" : ""
      let plane = Plane(grid)
      let every = plane.step == 1 ? "" : ", every \(plane.step)th pixel"
      pictures = [
        Self.sheet(
          shown, (plane.height, plane.width), colors: grid.colors, caption: "Records of the split\(more)\(every)."
        ) { _, c, y, x in (c * plane.height + y) * plane.width + x }
      ]
    default: pictures = []
    }
  }

  /// The pixels that are drawn of a record of two axes or three.
  private struct Plane {
    let height: Int
    let width: Int
    /// Every so many pixels along both axes.
    let step: Int

    init(_ grid: GridShape) {
      let (height, width) = (grid.extent[grid.extent.count - 2], grid.extent[grid.extent.count - 1])
      step = (max(height, width) + mostPixels - 1) / mostPixels
      (self.height, self.width) = ((height + step - 1) / step, (width + step - 1) / step)
    }

    /// The places of the pixels in the record, [colors, height, width].
    func places(_ grid: GridShape) -> [Int] {
      (0..<grid.colors).flatMap { c in
        (0..<height).flatMap { y in (0..<width).map { grid.pixel(channel: c, y * step, $0 * step) } }
      }
    }
  }

  /// A record in the data's units.
  private struct Shown {
    /// [channels, steps], or [colors, height, width] of the plane that is drawn, and which of it was measured.
    var values: [Double]
    var isMeasured: [Bool]
    /// Of a record of one axis, without padding.
    var steps: Int
    var label: String

    init(_ sample: SampleBatch, _ grid: GridShape, _ records: ValueRecords) {
      values = [Double](repeating: 0, count: grid.count)
      isMeasured = [Bool](repeating: true, count: grid.count)
      for place in 0..<grid.count {
        let (element, channel) = (grid.element(place / grid.size, place % grid.size), place % grid.size)
        values[element] = Double(sample.values[place]) * records.deviation[channel] + records.mean[channel]
        isMeasured[element] = sample.observed.isEmpty || sample.observed[place]
      }
      steps = sample.realPositions(0).count
      label = Self.label(sample, records)
      if grid.extent.count > 1 {
        let (places, whole, flags) = (Plane(grid).places(grid), values, isMeasured)
        (values, isMeasured) = (places.map { whole[$0] }, places.map { flags[$0] })
      }
    }

    /// The labels of a record by their names.
    private static func label(_ sample: SampleBatch, _ records: ValueRecords) -> String {
      sample.fields.compactMap { field in
        guard field.length == 1, let id = field.ids.first, id >= 0 else { return nil }
        let names = records.fields.first { $0.name == field.name }?.names ?? []
        return names.indices.contains(Int(id)) ? names[Int(id)] : String(id)
      }.joined(separator: "/")
    }
  }

  /// Records side by side, each from its own lowest value to its own highest.
  private static func sheet(
    _ records: [Shown], _ size: (height: Int, width: Int), colors: Int, caption: String,
    _ place: (Shown, _ channel: Int, _ y: Int, _ x: Int) -> Int?
  ) -> MeasuredPicture {
    let columns = max(1, Int(Double(records.count).squareRoot().rounded(.up)))
    let rows = (records.count + columns - 1) / columns
    let (scale, gap) = (max(1, 72 / max(size.height, size.width, 1)), 4)
    var canvas = PixelCanvas(
      width: columns * (size.width * scale + gap) - gap, height: rows * (size.height * scale + gap) - gap,
      channels: colors)
    for (index, record) in records.enumerated() {
      let corner = (
        x: index % columns * (size.width * scale + gap), y: index / columns * (size.height * scale + gap)
      )
      let (low, high) = (record.values.min() ?? 0, record.values.max() ?? 0)
      for y in 0..<size.height {
        for x in 0..<size.width {
          for c in 0..<colors {
            guard let element = place(record, c, y, x), record.isMeasured[element] else { continue }
            canvas.fill(
              (corner.x + x * scale, corner.y + y * scale), size: scale, channel: c,
              PixelCanvas.shade(record.values[element], low, high))
          }
        }
      }
    }
    return MeasuredPicture("records", caption: caption, png: Data(canvas.png))
  }

  /// All channels of a series; where some numbers were not measured, points in place of lines.
  private static func curves(_ record: Shown, number: Int, _ grid: GridShape) -> MeasuredPicture {
    let curves = (0..<grid.channels).map { channel -> MeasuredPicture.Curve in
      let own = (0..<record.steps).filter { record.isMeasured[channel * grid.extent[0] + $0] }
      return .init(
        "channel \(channel + 1)", own.map { [Double($0), record.values[channel * grid.extent[0] + $0]] },
        isLine: own.count == record.steps)
    }
    let label = record.label.isEmpty ? "" : ", \(record.label)"
    return MeasuredPicture(
      "record-\(number)", caption: "Record \(number) of those drawn\(label).",
      lines: .init(xLabel: "step", yLabel: "value", curves: curves))
  }
}
