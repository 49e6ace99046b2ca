import Core
import Storage

/// Training and validation loss over the steps of a run, as an SVG picture that needs nothing else.
public struct LearningCurve: Sendable {
  public struct Point: Sendable, Equatable {
    public var step: Int
    public var value: Double

    public init(step: Int, value: Double) {
      self.step = step
      self.value = value
    }
  }

  public struct Options: Sendable {
    public var title: String
    /// Steps on a logarithmic axis.
    public var logarithmicSteps: Bool
    public var width: Int
    public var height: Int

    public init(title: String = "Loss", logarithmicSteps: Bool = false, width: Int = 800, height: Int = 450) {
      precondition(width >= 300 && height >= 200, "a plot of \(width) × \(height) pixels has no room for its labels")
      self.title = title
      self.logarithmicSteps = logarithmicSteps
      self.width = width
      self.height = height
    }
  }

  public var training: [Point]
  public var validation: [Point]

  public init(training: [Point], validation: [Point]) {
    // Beyond this no axis has room, and the difference of two values may not be finite.
    let isShown: (Point) -> Bool = { abs($0.value) < 1e30 }
    self.training = training.filter(isShown)
    self.validation = validation.filter(isShown)
  }

  public init(_ records: [StepRecord]) {
    self.init(
      training: records.map { Point(step: $0.step, value: $0.loss) },
      validation: records.compactMap { record in record.validationLoss.map { Point(step: record.step, value: $0) } })
  }

  /// Records that are drawn at most, validations among them: several a pixel.
  static let mostRecords = 10_000

  /// Reads `metrics.jsonl`, thinned out where it is long, and writes the picture.
  public static func write(metrics: String, to path: String, options: Options = Options()) throws(FileError) {
    try AtomicFile.write(LearningCurve(try MetricsLog.sample(at: metrics, atMost: mostRecords)).svg(options), to: path)
  }

  /// The picture.
  public func svg(_ options: Options = Options()) -> String {
    let frame = PlotFrame(points: training + validation, options: options)
    var drawing = PlotDrawing(frame: frame, options: options)
    drawing.drawAxes()
    // With few validations the line alone would hide where they were, so each is a dot too.
    drawing.drawLine(training, style: .training)
    drawing.drawLine(validation, style: .validation)
    if validation.count <= 60 { drawing.drawDots(validation, style: .validation) }
    drawing.drawLegend((training.isEmpty ? [] : [.training]) + (validation.isEmpty ? [] : [.validation]))
    return drawing.document
  }
}

/// The axes of a plot and where they lie.
struct PlotFrame {
  let x: PlotAxis
  let y: PlotAxis

  init(points: [LearningCurve.Point], options: LearningCurve.Options) {
    let steps = points.map { Double($0.step) }
    let values = points.map(\.value)
    let (firstStep, lastStep) = (steps.min() ?? 0, steps.max() ?? 1)
    let left = options.logarithmicSteps ? max(1, firstStep) : min(0, firstStep)
    x = PlotAxis(
      low: left, high: max(lastStep, left + 1), isLogarithmic: options.logarithmicSteps,
      pixels: 64...Double(options.width - 20),
      isReversed: false)
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    // A span that the values' own digits can hardly resolve is drawn as none.
    let isSpan = high - low > max(abs(low), abs(high)) * 1e-9 + 1e-30
    let margin = isSpan ? (high - low) * 0.05 : max(abs(high) * 0.05, 0.5)
    y = PlotAxis(
      low: low - margin, high: high + margin, isLogarithmic: false, pixels: 40...Double(options.height - 52),
      isReversed: true)
  }
}
