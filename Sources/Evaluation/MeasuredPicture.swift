import Foundation

/// A picture that a measure made, for a person to look at: pixels, or lines that the report draws.
public struct MeasuredPicture: Codable, Sendable, Equatable {
  /// Small letters, digits and dashes: the name of its file.
  public var name: String
  /// What it shows.
  public var caption: String
  /// A whole PNG file; nil for lines.
  public var png: Data?
  /// nil for pixels.
  public var lines: Lines?

  /// Curves over a common axis.
  public struct Lines: Codable, Sendable, Equatable {
    /// What the horizontal axis is.
    public var xLabel: String
    /// What the vertical axis is.
    public var yLabel: String
    /// In the order of the legend.
    public var curves: [Curve]

    /// A chart of several curves.
    public init(xLabel: String, yLabel: String, curves: [Curve]) {
      (self.xLabel, self.yLabel, self.curves) = (xLabel, yLabel, curves)
    }
  }

  /// One curve, or a set of points, with its name.
  public struct Curve: Codable, Sendable, Equatable {
    public var name: String
    /// x and y of each point.
    public var points: [[Double]]
    /// A line, or single points.
    public var isLine: Bool

    /// A curve of points (x, y).
    public init(_ name: String, _ points: [[Double]], isLine: Bool) {
      (self.name, self.points, self.isLine) = (name, points, isLine)
    }
  }

  /// A picture that is a PNG file.
  public init(_ name: String, caption: String, png: Data) {
    (self.name, self.caption, self.png) = (name, caption, png)
  }

  /// A picture that is drawn as a chart.
  public init(_ name: String, caption: String, lines: Lines) {
    (self.name, self.caption, self.lines) = (name, caption, lines)
  }
}
