import Core
import Metrics

/// A figure of the report: lines or points of several arms over common axes, as SVG.
struct Chart {
  struct Series {
    var name: String
    /// x and y of each point.
    var points: [(x: Double, y: Double)]
    /// Half lengths of the 95 % bars in x and y; empty for none.
    var bars: [(x: Double, y: Double)] = []
    /// Index into the colours.
    var color: Int
    var isLine = true
  }

  var title: String
  var xLabel: String
  var yLabel: String
  var series: [Series]
  var logarithmicX = false
  var logarithmicY = false

  /// Colours that readers who cannot tell red from green still tell apart (Okabe and Ito).
  static let colors = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8B8000", "#7B3F00", "#4B0082"]

  private static let (width, height) = (620.0, 380.0)
  private static let (left, right, top, bottom) = (72.0, 600.0, 36.0, 326.0)

  /// The picture; nil when there is nothing to draw.
  var svg: String? {
    let points = series.flatMap { s in
      s.points.enumerated().flatMap { i, p -> [(x: Double, y: Double)] in
        let bar: (x: Double, y: Double) = i < s.bars.count ? s.bars[i] : (x: 0, y: 0)
        return [(p.x - bar.x, p.y - bar.y), (p.x + bar.x, p.y + bar.y)]
      }
    }.filter { isShown($0) }
    guard !points.isEmpty else { return nil }
    let x = axis(points.map(\.x), logarithmicX, Self.left...Self.right, isReversed: false)
    let y = axis(points.map(\.y), logarithmicY, Self.top...Self.bottom, isReversed: true)
    var body: [String] = []
    for tick in y.ticks {
      body.append(line(Self.left, y.position(tick.value), Self.right, y.position(tick.value), "#e4e4e4"))
      body.append(text(tick.text, Self.left - 8, y.position(tick.value) + 4, "end"))
    }
    for tick in x.ticks {
      body.append(line(x.position(tick.value), Self.bottom, x.position(tick.value), Self.bottom + 5, "#444444"))
      body.append(text(tick.text, x.position(tick.value), Self.bottom + 19, "middle"))
    }
    body += [line(Self.left, Self.bottom, Self.right, Self.bottom, "#444444"), line(Self.left, Self.top, Self.left, Self.bottom, "#444444")]
    for one in series { body += draw(one, x, y) }
    body.append(text(title, (Self.left + Self.right) / 2, 20, "middle", " font-size=\"14\" font-weight=\"bold\""))
    body.append(text(xLabel, (Self.left + Self.right) / 2, Self.bottom + 40, "middle"))
    let middle = (Self.top + Self.bottom) / 2
    body.append(text(yLabel, 16, middle, "middle", " transform=\"rotate(-90 16 \(pixel(middle)))\""))
    body += legend
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" role="img" aria-label="\(escaped(title))" \
      font-family="Helvetica, Arial, sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="#ffffff"/>
      \(body.joined(separator: "\n"))
      </svg>
      """
  }

  private func isShown(_ p: (x: Double, y: Double)) -> Bool {
    p.x.isFinite && p.y.isFinite && abs(p.x) < 1e30 && abs(p.y) < 1e30 && (!logarithmicX || p.x > 0) && (!logarithmicY || p.y > 0)
  }

  private func axis(_ values: [Double], _ isLogarithmic: Bool, _ pixels: ClosedRange<Double>, isReversed: Bool) -> PlotAxis {
    var (low, high) = (values.min() ?? 0, values.max() ?? 1)
    if isLogarithmic {
      if high <= low * 1.000001 { (low, high) = (low / 2, high * 2) }
    } else {
      let span = high - low > max(abs(low), abs(high)) * 1e-9 + 1e-30 ? (high - low) * 0.05 : max(abs(high) * 0.05, 0.5)
      (low, high) = (low - span, high + span)
    }
    return PlotAxis(low: low, high: high, isLogarithmic: isLogarithmic, pixels: pixels, isReversed: isReversed)
  }

  private func draw(_ one: Series, _ x: PlotAxis, _ y: PlotAxis) -> [String] {
    let color = Self.colors[one.color % Self.colors.count]
    let shown = one.points.enumerated().filter { isShown($0.element) }
    var body: [String] = []
    if one.isLine, shown.count > 1 {
      let path = shown.map { "\(pixel(x.position($0.element.x))),\(pixel(y.position($0.element.y)))" }.joined(separator: " ")
      body.append("<polyline fill=\"none\" stroke=\"\(color)\" stroke-width=\"1.8\" stroke-linejoin=\"round\" points=\"\(path)\"/>")
    }
    for (i, p) in shown {
      if i < one.bars.count {
        body.append(line(x.position(p.x - one.bars[i].x), y.position(p.y), x.position(p.x + one.bars[i].x), y.position(p.y), color))
        body.append(line(x.position(p.x), y.position(p.y - one.bars[i].y), x.position(p.x), y.position(p.y + one.bars[i].y), color))
      }
      if !one.isLine || shown.count <= 40 {
        body.append(
          "<circle cx=\"\(pixel(x.position(p.x)))\" cy=\"\(pixel(y.position(p.y)))\" r=\"\(one.isLine ? "2.2" : "4")\" fill=\"\(color)\"><title>\(escaped(one.name)): \(number(p.x)), \(number(p.y))</title></circle>")
      }
    }
    return body
  }

  /// Each arm once, in a box at the upper right.
  private var legend: [String] {
    var names: [(String, Int)] = []
    for one in series where !names.contains(where: { $0.0 == one.name }) { names.append((one.name, one.color)) }
    guard names.count > 1 else { return [] }
    let width = 30 + 7 * Double(names.map(\.0.count).max() ?? 0)
    let start = Self.right - width
    var body = ["<rect x=\"\(pixel(start - 6))\" y=\"\(pixel(Self.top))\" width=\"\(pixel(width + 6))\" height=\"\(names.count * 17 + 6)\" fill=\"#ffffff\" fill-opacity=\"0.85\"/>"]
    for (row, entry) in names.enumerated() {
      let y = Self.top + 12 + Double(row) * 17
      body.append("<line x1=\"\(pixel(start))\" y1=\"\(pixel(y))\" x2=\"\(pixel(start + 18))\" y2=\"\(pixel(y))\" stroke=\"\(Self.colors[entry.1 % Self.colors.count])\" stroke-width=\"3\"/>")
      body.append(text(entry.0, start + 24, y + 4, "start"))
    }
    return body
  }

  private func pixel(_ value: Double) -> String { String(Double(Int((value * 100).rounded())) / 100) }

  private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String) -> String {
    "<line x1=\"\(pixel(x1))\" y1=\"\(pixel(y1))\" x2=\"\(pixel(x2))\" y2=\"\(pixel(y2))\" stroke=\"\(color)\"/>"
  }

  private func text(_ content: String, _ x: Double, _ y: Double, _ anchor: String, _ attributes: String = "") -> String {
    "<text x=\"\(pixel(x))\" y=\"\(pixel(y))\" text-anchor=\"\(anchor)\" fill=\"#222222\"\(attributes)>\(escaped(content))</text>"
  }
}

/// Text inside HTML or SVG, quotes included.
func escaped(_ text: String) -> String {
  text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
}
