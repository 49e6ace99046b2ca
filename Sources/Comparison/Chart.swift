import Core
import Metrics

/// Lines or points of several arms over common axes.
struct Chart: Figure {
  struct Point {
    var x: Double
    var y: Double
    /// 95 % over seeds, or the span of the seeds.
    var xInterval: Interval?
    var yInterval: Interval?
  }

  struct Series {
    var name: String
    var points: [Point]
    /// Index into the colours.
    var color: Int
    /// A line with a band, or points with bars.
    var isLine = true
  }

  /// A value that no arm has, such as a baseline: a line across.
  struct Guide {
    var name: String
    var x: Double
  }

  var title: String
  var caption: String
  var xLabel: String
  var yLabel: String
  var series: [Series]
  var guides: [Guide] = []

  private static let (left, plotRight, top, bottom) = (74.0, 560.0, 40.0, 330.0)
  private static let height = 384.0

  func svg(_ paint: Paint) -> String? {
    let all = series.flatMap(\.points).filter(Self.isShown)
    guard !all.isEmpty else { return nil }
    let xs = all.flatMap { [$0.x, $0.xInterval?.low ?? $0.x, $0.xInterval?.high ?? $0.x] } + guides.map(\.x)
    let ys = all.flatMap { [$0.y, $0.yInterval?.low ?? $0.y, $0.yInterval?.high ?? $0.y] }
    let x = PlotAxis.around(xs, isLogarithmic: false, pixels: Self.left...Self.plotRight, isReversed: false)
    let y = PlotAxis.around(ys, isLogarithmic: false, pixels: Self.top...Self.bottom, isReversed: true)
    var drawing = Drawing(paint)
    drawAxes(&drawing, x, y)
    for guide in guides { draw(guide, &drawing, x) }
    for one in series where one.isLine { drawBand(one, &drawing, x, y) }
    for one in series { draw(one, &drawing, x, y) }
    let width = drawLegend(&drawing)
    return drawing.document(title, width: width, height: Self.height)
  }

  static func isShown(_ p: Point) -> Bool { p.x.isFinite && p.y.isFinite && abs(p.x) < 1e30 && abs(p.y) < 1e30 }

  private func drawAxes(_ drawing: inout Drawing, _ x: PlotAxis, _ y: PlotAxis) {
    let paint = drawing.paint
    for tick in y.ticks {
      drawing.line(Self.left, y.position(tick.value), Self.plotRight, y.position(tick.value), paint.grid)
      drawing.text(tick.text, Self.left - 8, y.position(tick.value) + 4, "end")
    }
    for tick in x.ticks {
      drawing.line(x.position(tick.value), Self.bottom, x.position(tick.value), Self.bottom + 5, paint.ink)
      drawing.text(tick.text, x.position(tick.value), Self.bottom + 19, "middle")
    }
    drawing.line(Self.left, Self.bottom, Self.plotRight, Self.bottom, paint.ink)
    drawing.line(Self.left, Self.top, Self.left, Self.bottom, paint.ink)
    let (middle, height) = ((Self.left + Self.plotRight) / 2, (Self.top + Self.bottom) / 2)
    drawing.text(title, middle, 20, "middle", attributes: " font-size=\"14\" font-weight=\"bold\"")
    drawing.text(xLabel, middle, Self.bottom + 42, "middle")
    drawing.text(yLabel, 16, height, "middle", attributes: " transform=\"rotate(-90 16 \(drawing.pixel(height)))\"")
  }

  private func draw(_ guide: Guide, _ drawing: inout Drawing, _ x: PlotAxis) {
    let place = x.position(guide.x)
    drawing.line(
      place, Self.top, place, Self.bottom, drawing.paint.ink,
      attributes: " stroke-dasharray=\"4 4\" stroke-opacity=\"0.6\"")
    let turn = "rotate(-90 \(drawing.pixel(place - 5)) \(drawing.pixel(Self.top + 8)))"
    drawing.text(guide.name, place - 5, Self.top + 8, "end", attributes: " transform=\"\(turn)\" font-size=\"11\"")
  }

  private func drawBand(_ one: Series, _ drawing: inout Drawing, _ x: PlotAxis, _ y: PlotAxis) {
    let shown = one.points.filter { Self.isShown($0) && $0.yInterval != nil }
    guard shown.count > 1 else { return }
    let upper = shown.map { (x: x.position($0.x), y: y.position($0.yInterval?.high ?? $0.y)) }
    let lower = shown.reversed().map { (x: x.position($0.x), y: y.position($0.yInterval?.low ?? $0.y)) }
    drawing.area(upper + lower, drawing.paint.color(one.color))
  }

  private func draw(_ one: Series, _ drawing: inout Drawing, _ x: PlotAxis, _ y: PlotAxis) {
    let color = drawing.paint.color(one.color)
    let shown = one.points.filter(Self.isShown)
    if one.isLine, shown.count > 1 {
      drawing.path(shown.map { (x.position($0.x), y.position($0.y)) }, color, attributes: Paint.dash(one.color))
      guard shown.count <= 40 else { return }
    }
    for p in shown {
      if !one.isLine {
        if let bar = p.xInterval {
          drawing.line(x.position(bar.low), y.position(p.y), x.position(bar.high), y.position(p.y), color, width: 1.4)
        }
        if let bar = p.yInterval {
          drawing.line(x.position(p.x), y.position(bar.low), x.position(p.x), y.position(bar.high), color, width: 1.4)
        }
      }
      drawing.circle(
        x.position(p.x), y.position(p.y), radius: one.isLine ? 2.2 : 4.5, color,
        title: "\(one.name): \(number(p.x)), \(number(p.y))")
    }
  }

  /// Beside the plot, where it hides nothing. - Returns: the width of the picture.
  private func drawLegend(_ drawing: inout Drawing) -> Double {
    guard series.count > 1 else { return Self.plotRight + 24 }
    let start = Self.plotRight + 18
    for (row, one) in series.enumerated() {
      let (y, color) = (Self.top + 8 + Double(row) * 19, drawing.paint.color(one.color))
      if one.isLine {
        drawing.line(start, y, start + 24, y, color, width: 2, attributes: Paint.dash(one.color))
      } else {
        drawing.circle(start + 12, y, radius: 4.5, color)
      }
      drawing.text(shortened(one.name), start + 31, y + 4, "start")
    }
    return start + 44 + 6.9 * Double(series.map { shortened($0.name).count }.max() ?? 0)
  }

  var numbers: [[String]] {
    let hasX = series.contains { $0.points.contains { $0.xInterval != nil } }
    let heading = ["series", xLabel] + (hasX ? ["low", "high"] : []) + [yLabel, "low", "high"]
    return [heading]
      + series.flatMap { one in
        one.points.map {
          [one.name, CSV.number($0.x)] + (hasX ? CSV.ends($0.xInterval) : []) + [CSV.number($0.y)]
            + CSV.ends($0.yInterval)
        }
      }
      + guides.map { [$0.name, CSV.number($0.x)] + (hasX ? ["", ""] : []) + ["", "", ""] }
  }
}
