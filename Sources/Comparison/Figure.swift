import Foundation
import Metrics

/// A picture of the report that can stand alone, and the numbers in it.
protocol Figure {
  var title: String { get }
  /// What a reader must know to read it, below the picture.
  var caption: String { get }
  /// nil when there is nothing to draw.
  func svg(_ paint: Paint) -> String?
  /// A heading, then a row a point.
  var numbers: [[String]] { get }
}

/// The colours of a picture: those of the page it stands in, or of a file of its own.
struct Paint {
  let ink: String
  let grid: String
  let paper: String
  let series: [String]
  let isFile: Bool

  /// Colours that readers with red-green colour blindness can distinguish (Okabe and Ito), then darker ones.
  static let colors = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B58900", "#56B4E9", "#7B3F00", "#4B0082", "#556B2F", "#666666",
  ]
  static let colorsOnDark = [
    "#5AA9E6", "#FF8C42", "#2EC4A0", "#E6A1C8", "#E9C46A", "#9AD5FF", "#C98B5E", "#B39DDB", "#A3B86C", "#BBBBBB",
  ]

  static let file = Paint(ink: "#222222", grid: "#e2e2e2", paper: "#ffffff", series: colors, isFile: true)
  /// Variables of the page's style, so that a picture follows its light and dark forms.
  static let page = Paint(
    ink: "var(--ink)", grid: "var(--line)", paper: "var(--paper)", series: colors.indices.map { "var(--c\($0))" },
    isFile: false)

  func color(_ index: Int) -> String { series[index % series.count] }

  /// Line styles, for print without colours.
  static func dash(_ index: Int) -> String {
    let styles = ["", "7 3", "2 3", "9 3 2 3"]
    let style = styles[index % styles.count]
    return style.isEmpty ? "" : " stroke-dasharray=\"\(style)\""
  }
}

/// Elements of an SVG picture in the making.
struct Drawing {
  let paint: Paint
  private var elements: [String] = []

  init(_ paint: Paint) { self.paint = paint }

  func document(_ title: String, width: Double, height: Double) -> String {
    let (w, h) = (Int(width.rounded(.up)), Int(height.rounded(.up)))
    let size = paint.isFile ? " width=\"\(w)\" height=\"\(h)\"" : ""
    let paper = paint.isFile ? "<rect width=\"100%\" height=\"100%\" fill=\"\(paint.paper)\"/>\n" : ""
    return """
      <svg xmlns="http://www.w3.org/2000/svg"\(size) viewBox="0 0 \(w) \(h)" role="img" aria-label="\(escaped(title))" \
      font-family="Helvetica, Arial, sans-serif" font-size="12">
      <title>\(escaped(title))</title>
      \(paper)\(elements.joined(separator: "\n"))
      </svg>
      """
  }

  /// Two decimals are a fiftieth of what an eye can see.
  func pixel(_ value: Double) -> String { String(Double(Int((value * 100).rounded())) / 100) }

  mutating func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String, width: Double = 1, attributes: String = ""
  ) {
    elements.append(
      "<line x1=\"\(pixel(x1))\" y1=\"\(pixel(y1))\" x2=\"\(pixel(x2))\" y2=\"\(pixel(y2))\" stroke=\"\(color)\" stroke-width=\"\(width)\"\(attributes)/>"
    )
  }

  mutating func text(
    _ content: String, _ x: Double, _ y: Double, _ anchor: String, color: String? = nil, attributes: String = ""
  ) {
    elements.append(
      "<text x=\"\(pixel(x))\" y=\"\(pixel(y))\" text-anchor=\"\(anchor)\" fill=\"\(color ?? paint.ink)\"\(attributes)>\(escaped(content))</text>"
    )
  }

  mutating func circle(
    _ x: Double, _ y: Double, radius: Double, _ color: String, isFilled: Bool = true, title: String = ""
  ) {
    let fill = isFilled ? "fill=\"\(color)\"" : "fill=\"\(paint.paper)\" stroke=\"\(color)\" stroke-width=\"1\""
    let shape = "<circle cx=\"\(pixel(x))\" cy=\"\(pixel(y))\" r=\"\(radius)\" \(fill)"
    elements.append(title.isEmpty ? shape + "/>" : shape + "><title>\(escaped(title))</title></circle>")
  }

  mutating func path(_ points: [(x: Double, y: Double)], _ color: String, attributes: String = "") {
    elements.append(
      "<polyline fill=\"none\" stroke=\"\(color)\" stroke-width=\"1.8\" stroke-linejoin=\"round\" points=\"\(coordinates(points))\"\(attributes)/>"
    )
  }

  mutating func area(_ points: [(x: Double, y: Double)], _ color: String) {
    elements.append(
      "<polygon fill=\"\(color)\" fill-opacity=\"0.18\" stroke=\"none\" points=\"\(coordinates(points))\"/>")
  }

  private func coordinates(_ points: [(x: Double, y: Double)]) -> String {
    points.map { "\(pixel($0.x)),\(pixel($0.y))" }.joined(separator: " ")
  }
}

extension PlotAxis {
  /// An axis over values with a margin. A span that the values' own digits can hardly resolve is drawn as none.
  static func around(_ values: [Double], isLogarithmic: Bool, pixels: ClosedRange<Double>, isReversed: Bool) -> PlotAxis
  {
    var (low, high) = (values.min() ?? 0, values.max() ?? 1)
    if isLogarithmic {
      if high <= low * 1.000001 { (low, high) = (low / 2, high * 2) }
    } else {
      let span = high - low > max(abs(low), abs(high)) * 1e-9 + 1e-30 ? (high - low) * 0.05 : max(abs(high) * 0.05, 0.5)
      (low, high) = (low - span, high + span)
    }
    return PlotAxis(low: low, high: high, isLogarithmic: isLogarithmic, pixels: pixels, isReversed: isReversed)
  }
}

/// Text inside HTML or SVG, quotes included. What XML has no place for, such as an escape character, is shown as a
/// replacement.
func escaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "'": result += "&#39;"
    case "\t", "\n": result.unicodeScalars.append(scalar)
    case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || scalar.value & 0xFFFE == 0xFFFE:
      result += "\u{FFFD}"
    // Marks that turn the direction of the text behind them.
    case _ where (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value):
      result += "\u{FFFD}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// A name as long as a legend has room for.
func shortened(_ name: String, to count: Int = 28) -> String {
  name.count <= count ? name : name.prefix(count - 1) + "…"
}
