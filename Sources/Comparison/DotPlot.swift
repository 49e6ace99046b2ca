import Metrics

/// One value of all arms, a row each: the mean with its interval, the seeds, and baselines as lines across.
struct DotPlot: Figure {
  struct Row {
    var name: String
    var mean: Double
    var interval: Interval?
    var seeds: [Double]
    /// Index into the colours; nil for a baseline.
    var color: Int?
  }

  var title: String
  var caption: String
  /// With the unit and the better direction.
  var label: String
  var rows: [Row]

  private static let rowHeight = 26.0
  private static let (top, width) = (38.0, 420.0)

  func svg(_ paint: Paint) -> String? {
    let shown = rows.filter { $0.mean.isFinite && abs($0.mean) < 1e30 }
    guard !shown.isEmpty else { return nil }
    let left = 26 + 6.9 * Double(shown.map { shortened($0.name).count }.max() ?? 0)
    let (right, bottom) = (left + Self.width, Self.top + Self.rowHeight * Double(shown.count))
    let values = shown.flatMap { [$0.mean, $0.interval?.low ?? $0.mean, $0.interval?.high ?? $0.mean] + $0.seeds }
    let axis = PlotAxis.around(values, isLogarithmic: false, pixels: left...right, isReversed: false)
    var drawing = Drawing(paint)
    drawing.text(title, (left + right) / 2, 18, "middle", attributes: " font-size=\"14\" font-weight=\"bold\"")
    for tick in axis.ticks {
      drawing.line(axis.position(tick.value), Self.top, axis.position(tick.value), bottom, paint.grid)
      drawing.text(tick.text, axis.position(tick.value), bottom + 19, "middle")
    }
    drawing.line(left, bottom, right, bottom, paint.ink)
    drawing.text(label, (left + right) / 2, bottom + 40, "middle")
    for (index, row) in shown.enumerated() {
      draw(row, &drawing, axis, y: Self.top + Self.rowHeight * (Double(index) + 0.5), left: left, bottom: bottom)
    }
    return drawing.document(title, width: right + 24, height: bottom + 52)
  }

  private func draw(_ row: Row, _ drawing: inout Drawing, _ axis: PlotAxis, y: Double, left: Double, bottom: Double) {
    let (ink, x) = (drawing.paint.ink, axis.position(row.mean))
    guard let index = row.color else {
      drawing.text(shortened(row.name), left - 10, y + 4, "end", attributes: " font-style=\"italic\"")
      drawing.line(x, Self.top, x, bottom, ink, attributes: " stroke-dasharray=\"4 4\" stroke-opacity=\"0.6\"")
      drawing.circle(x, y, radius: 4, ink, isFilled: false, title: "\(row.name): \(number(row.mean))")
      return
    }
    let color = drawing.paint.color(index)
    drawing.text(shortened(row.name), left - 10, y + 4, "end")
    if let interval = row.interval {
      drawing.line(axis.position(interval.low), y, axis.position(interval.high), y, color, width: 2)
      for end in [interval.low, interval.high] {
        drawing.line(axis.position(end), y - 4, axis.position(end), y + 4, color, width: 2)
      }
    }
    for seed in row.seeds {
      drawing.line(
        axis.position(seed), y + 5, axis.position(seed), y + 10, color, attributes: " stroke-opacity=\"0.7\"")
    }
    drawing.circle(x, y, radius: 4.5, color, title: "\(row.name): \(row.interval.map(number) ?? number(row.mean))")
  }

  var numbers: [[String]] {
    [["arm", "kind", label, "low", "high", "seeds"]]
      + rows.map { row in
        [
          row.name, row.color == nil ? "baseline" : "arm", CSV.number(row.mean),
          row.interval.map { CSV.number($0.low) } ?? "",
          row.interval.map { CSV.number($0.high) } ?? "", row.seeds.map(CSV.number).joined(separator: " "),
        ]
      }
  }
}
