import Foundation

/// Colours of a curve and its name in the legend.
enum CurveStyle {
  case training, validation

  var name: String { self == .training ? "training" : "validation" }
  var color: String { self == .training ? "#3b6ea5" : "#d1603d" }
  var lineWidth: String { self == .training ? "1.2" : "2" }
}

/// The elements of an SVG picture in the making.
struct PlotDrawing {
  private let frame: PlotFrame
  private let options: LearningCurve.Options
  private var elements: [String] = []

  init(frame: PlotFrame, options: LearningCurve.Options) {
    self.frame = frame
    self.options = options
  }

  private var left: Double { frame.x.pixels.lowerBound }
  private var right: Double { frame.x.pixels.upperBound }
  private var top: Double { frame.y.pixels.lowerBound }
  private var bottom: Double { frame.y.pixels.upperBound }

  /// Two decimals are a fiftieth of what an eye can see.
  private func pixel(_ value: Double) -> String { String(format: "%.2f", value) }

  var document: String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" width="\(options.width)" height="\(options.height)" \
    viewBox="0 0 \(options.width) \(options.height)" font-family="Helvetica, Arial, sans-serif" font-size="12">
    <rect width="100%" height="100%" fill="#ffffff"/>
    \(elements.joined(separator: "\n"))
    </svg>

    """
  }

  mutating func drawAxes() {
    text(options.title, x: (left + right) / 2, y: 24, anchor: "middle", attributes: " font-size=\"15\"")
    for tick in frame.y.ticks {
      let y = frame.y.position(tick.value)
      segment(left, y, right, y, color: "#e4e4e4")
      text(tick.text, x: left - 8, y: y + 4, anchor: "end")
    }
    for tick in frame.x.ticks {
      let x = frame.x.position(tick.value)
      segment(x, bottom, x, bottom + 5, color: "#444444")
      text(tick.text, x: x, y: bottom + 19, anchor: "middle")
    }
    segment(left, bottom, right, bottom, color: "#444444")
    segment(left, top, left, bottom, color: "#444444")
    text(
      options.logarithmicSteps ? "step (logarithmic)" : "step", x: (left + right) / 2, y: bottom + 42, anchor: "middle")
    text(
      "loss", x: 16, y: (top + bottom) / 2, anchor: "middle",
      attributes: " transform=\"rotate(-90 16 \(pixel((top + bottom) / 2)))\"")
  }

  /// A curve; where there are more points than a screen can show, the lowest and highest of each column.
  mutating func drawLine(_ points: [LearningCurve.Point], style: CurveStyle) {
    let shown = thinned(visible(points))
    guard shown.count > 1 else { return drawDots(shown, style: style) }
    let path = shown.map { "\(pixel(frame.x.position(Double($0.step)))),\(pixel(frame.y.position($0.value)))" }
    elements.append(
      """
      <polyline fill="none" stroke="\(style.color)" stroke-width="\(style.lineWidth)" stroke-linejoin="round" \
      points="\(path.joined(separator: " "))"/>
      """)
  }

  mutating func drawDots(_ points: [LearningCurve.Point], style: CurveStyle) {
    for point in visible(points) {
      let (x, y) = (frame.x.position(Double(point.step)), frame.y.position(point.value))
      elements.append("<circle cx=\"\(pixel(x))\" cy=\"\(pixel(y))\" r=\"3\" fill=\"\(style.color)\"/>")
    }
  }

  mutating func drawLegend(_ styles: [CurveStyle]) {
    for (row, style) in styles.enumerated() {
      let y = top + 12 + Double(row) * 18
      elements.append(
        """
        <line x1="\(pixel(right - 100))" y1="\(pixel(y))" x2="\(pixel(right - 76))" y2="\(pixel(y))" \
        stroke="\(style.color)" stroke-width="3"/>
        """)
      text(style.name, x: right - 68, y: y + 4, anchor: "start")
    }
  }

  /// A logarithmic axis has no place for step 0.
  private func visible(_ points: [LearningCurve.Point]) -> [LearningCurve.Point] {
    frame.x.isLogarithmic ? points.filter { $0.step >= 1 } : points
  }

  private func thinned(_ points: [LearningCurve.Point]) -> [LearningCurve.Point] {
    guard points.count > 4 * Int(right - left) else { return points }
    let columns = Dictionary(grouping: points) { Int(frame.x.position(Double($0.step))) }
    return columns.keys.sorted().flatMap { column -> [LearningCurve.Point] in
      let members = columns[column] ?? []
      let ends = [members.min { $0.value < $1.value }, members.max { $0.value < $1.value }].compactMap { $0 }
      return ends.sorted { $0.step < $1.step }
    }
  }

  private mutating func segment(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, color: String) {
    elements.append(
      "<line x1=\"\(pixel(x1))\" y1=\"\(pixel(y1))\" x2=\"\(pixel(x2))\" y2=\"\(pixel(y2))\" stroke=\"\(color)\"/>")
  }

  private mutating func text(_ content: String, x: Double, y: Double, anchor: String, attributes: String = "") {
    let escaped = content.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    elements.append(
      "<text x=\"\(pixel(x))\" y=\"\(pixel(y))\" text-anchor=\"\(anchor)\" fill=\"#222222\"\(attributes)>\(escaped)</text>"
    )
  }
}
