import Core
import Kernels
import Layers
import Models
import Tensors

/// `tera`: frames are altered along time, frequency and magnitude, and a bidirectional encoder regresses the clean ones
/// under L1.
///
/// *Concretely:* of a sample of T real frames with F numbers each, round(T · time_ratio / span) spans are altered, all
/// of a sample in the same way: zeros with probability 0.8, other frames of the sample with 0.1, themselves else. A
/// block of U{0 … ⌊frequency_ratio · F⌋} neighbouring numbers is zero in all frames. With probability `noise_prob`
/// normal noise is added everywhere. M marks altered frames and numbers, or everything where neither is altered; L =
/// Σ M·|x̂ - x| / Σ M.
///
/// Difference from the reference code, on purpose: noise is drawn for a sample and not for a batch.
///
/// Reference: Liu et al., "TERA: self-supervised learning of transformer encoder representation for speech", 2020,
/// arXiv 2007.06028.
public struct TERA: ValueObjective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// Share of the frames in altered spans.
    public var timeRatio = 0.15
    /// Frames of a span.
    public var span = 7
    /// Largest share of the numbers of a frame that are zero.
    public var frequencyRatio = 0.2
    /// Probability of noise …
    public var noiseProb = 0.15
    /// … and its standard deviation.
    public var noiseDeviation = 0.2

    public static let sentences = [
      "time_ratio": "Share of the frames in altered spans, 0 … 1; 0 alters none.",
      "span": "Frames of an altered span, 1 … 1000.",
      "frequency_ratio": "Largest share of the numbers of a frame that are set to zero, 0 … 1.",
      "noise_prob": "Probability that normal noise is added to a sample, 0 … 1.",
      "noise_deviation": "Standard deviation of the noise in units of the standardised data, 0 … 10.",
    ]

    public init() {}
  }

  public static let name = "tera"
  public static let summary = "Regress clean frames from frames altered along time, frequency and magnitude."
  public static let paper = "Liu et al. 2020, TERA, arXiv 2007.06028"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// The network and its loss.
  public let prediction: ValuePrediction

  /// Sites of a sample's generator: where spans are, sizes and dice, replacing frames, noise.
  private static let (spanSite, diceSite, frameSite, noiseSite): (UInt32, UInt32, UInt32, UInt32) = (0, 1, 2, 3)

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name)
    var problems = OptionProblems()
    problems.require("time_ratio", options.timeRatio, in: 0...1)
    problems.require("span", options.span, in: 1...1000)
    problems.require("frequency_ratio", options.frequencyRatio, in: 0...1)
    problems.require("noise_prob", options.noiseProb, in: 0...1)
    problems.require("noise_deviation", options.noiseDeviation, in: 0...10)
    problems.require(
      grid.extent.count == 1, "name",
      "is \(Self.name), which needs records of one axis, time; these have \(grid.extent.count).")
    try problems.throwIfAny()
    try model.requireValid()
    self.options = options
    prediction = ValuePrediction(model, size: grid.size, loss: .l1, transform: true)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var (altered, targets, measured) = (clean, TermTargets(rows: [], count: 0), 0.0)
    for sample in 0..<clean.count {
      let real = clean.realPositions(sample)
      guard !real.isEmpty else { continue }
      let alteration = alteration(of: real, size: clean.valueSize, context.random(clean.sampleIDs[sample]))
      apply(alteration, sample, clean, to: &altered)
      for (i, frame) in real.enumerated() {
        measured += add(frame, isAltered: alteration.frames.contains(i), alteration, sample, clean, to: &targets)
      }
    }
    targets.count = measured
    return TrainingExample(inputs: [altered.patches(encoder.configuration)], targets: [targets])
  }

  /// What is done to a sample. Frames are counted among its real ones.
  private struct Alteration {
    var frames: Set<Int>
    /// What altered frames become: nil for zeros, else the frame that each is replaced by.
    var sources: [Int: Int]?
    var numbers: Range<Int>
    /// Nil without noise.
    var noise: CounterGenerator?

    /// Nothing is altered that the mask would show: then everything is a target.
    var isEmpty: Bool { frames.isEmpty && numbers.isEmpty }
  }

  private func alteration(of real: [Int], size: Int, _ random: CounterGenerator) -> Alteration {
    func stream(_ site: UInt32) -> CounterGenerator { random.at(position: random.position, site: site) }
    let (dice, span) = (stream(Self.diceSite), min(options.span, real.count))
    let spans = Int((Double(real.count) * options.timeRatio / Double(options.span)).rounded())
    let starts = randomSubset(
      Array(0...real.count - span), count: min(spans, real.count - span + 1), stream(Self.spanSite))
    let frames = starts.flatMap { Array($0..<$0 + span) }
    let kind = dice.uniformDouble(0)
    var sources: [Int: Int]?
    if kind >= 0.8 {
      let other = stream(Self.frameSite)
      sources = Dictionary(frames.map { ($0, kind < 0.9 ? other.below(real.count, $0) : $0) }) { first, _ in first }
    }
    let width = dice.below(Int(options.frequencyRatio * Double(size)) + 1, 1)
    let first = dice.below(size - width + 1, 2)
    return Alteration(
      frames: Set(frames), sources: sources, numbers: first..<first + width,
      noise: dice.uniformDouble(3) < options.noiseProb ? stream(Self.noiseSite) : nil)
  }

  private func apply(_ a: Alteration, _ sample: Int, _ clean: SampleBatch, to altered: inout SampleBatch) {
    let (size, real) = (clean.valueSize, clean.realPositions(sample))
    func place(_ frame: Int) -> Int { (sample * clean.length + real[frame]) * size }
    for (i, _) in real.enumerated() {
      for k in 0..<size {
        var value = clean.values[place(i) + k]
        if a.frames.contains(i) { value = a.sources.map { clean.values[place($0[i] ?? i) + k] } ?? 0 }
        if a.numbers.contains(k) { value = 0 }
        if let noise = a.noise { value += Float(options.noiseDeviation) * noise.almostNormal(i * size + k) }
        altered.values[place(i) + k] = value
      }
    }
  }

  /// Adds a frame with the numbers that M marks. - Returns: their share.
  private func add(
    _ frame: Int, isAltered: Bool, _ a: Alteration, _ sample: Int, _ clean: SampleBatch, to targets: inout TermTargets
  ) -> Double {
    let (row, size) = (sample * clean.length + frame, clean.valueSize)
    let marked = (0..<size).map { k in
      (a.isEmpty || isAltered || a.numbers.contains(k))
        && (clean.observed.isEmpty || clean.observed[row * size + k])
    }
    let count = marked.count { $0 }
    guard count > 0 else { return 0 }
    targets.rows.append(row)
    targets.values += clean.values[row * size..<(row + 1) * size]
    targets.elementWeights += marked.map { $0 ? 1 / Float(size) : 0 }
    targets.weights.append(1)
    return Double(Float(count) / Float(size))
  }
}
