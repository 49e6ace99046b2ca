import Core
import Foundation

/// What `lockstep benchmark scaling` measures.
public struct ScalingResult: Codable, Sendable {
  /// The CPU, OpenBLAS's kernels and the version of the program.
  public var machine: [String: String]
  /// Options of the model and the batch.
  public var options: [String: String]
  /// Times each layout was measured, in turn.
  public var repeats: Int
  /// Weak scaling, then strong, in the order of the layouts.
  public var rows: [ScalingRow]

  /// A result with what it was measured on.
  public init(machine: [String: String], options: [String: String], repeats: Int, rows: [ScalingRow]) {
    (self.machine, self.options, self.repeats, self.rows) = (machine, options, repeats, rows)
  }
}

/// One layout in one of the two ways to scale.
public struct ScalingRow: Codable, Sendable {
  /// `strong`: the same batch on more workers; `weak`: as much of it for each.
  public var scaling: String
  /// Ranks of the job.
  public var ranks: Int
  /// Computing threads of each rank.
  public var threads: Int
  /// Samples of a step.
  public var batch: Int
  /// Median seconds of a step.
  public var stepS: Double
  /// Positions a second of the whole job.
  public var tokensPerS: Double
  /// Median seconds of a step in which a rank waited for the sum over ranks.
  public var exposedCommS: Double
  /// Tokens a second and worker over those of the first layout.
  public var efficiency: Double
  /// The sgemm rate of a worker, measured in the same jobs, over that of the first layout: what the machine loses when
  /// more of its cores compute, whatever they compute.
  public var machineEfficiency: Double

  /// Efficiency over what the machine allows.
  public var correctedEfficiency: Double { efficiency / machineEfficiency }
  /// Threads that compute, over all ranks.
  public var workers: Int { ranks * threads }
}

/// A number of ranks and of threads of each.
public struct JobLayout: Sendable, Hashable, CustomStringConvertible {
  /// MPI ranks.
  public var ranks: Int
  /// Computing threads of each rank.
  public var threads: Int

  /// A layout of at least one rank and thread.
  public init(ranks: Int, threads: Int) { (self.ranks, self.threads) = (ranks, threads) }

  /// - Parameter text: such as `2x4`: ranks x threads.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let ranks = parts[0], let threads = parts[1], ranks > 0, threads > 0 else { return nil }
    self.init(ranks: ranks, threads: threads)
  }

  /// Threads that compute, over all ranks.
  public var workers: Int { ranks * threads }
  public var description: String { "\(ranks)x\(threads)" }
}

/// Times a step on several layouts of ranks and threads, in turn, so that a slow minute of the machine slows all alike.
public struct ScalingBenchmark {
  /// Layouts in the order in which they run; the first is the unit.
  public var layouts: [JobLayout]
  /// Times each layout is measured.
  public var repeats = 5
  /// Samples of a micro-batch.
  public var microBatch: Int

  /// A benchmark of these layouts.
  public init(_ layouts: [JobLayout], microBatch: Int) { (self.layouts, self.microBatch) = (layouts, microBatch) }

  /// - Parameters:
  ///   - measure: runs a job and returns what `benchmark step` measures for a batch.
  ///   - note: is called with the name of each job before it starts.
  public func run(
    note: (String) -> Void = { _ in }, _ measure: (JobLayout, _ batch: Int) throws -> StepBenchmarkResult
  ) throws -> [ScalingRow] {
    let most = layouts.map(\.workers).reduce(1, Self.leastCommonMultiple)
    let cases = ["weak", "strong"].flatMap { scaling in layouts.map { (scaling, $0) } }
    var results = [[StepBenchmarkResult]](repeating: [], count: cases.count)
    for turn in 0..<repeats {
      for (i, (scaling, layout)) in cases.enumerated() {
        let batch = microBatch * (scaling == "weak" ? layout.workers : most)
        note("\(scaling) \(layout), \(turn + 1) of \(repeats)")
        results[i].append(try measure(layout, batch))
      }
    }
    let rows = zip(cases, results).map { Self.row($0.0, $0.1, $1) }
    return rows.map { row in
      guard let first = rows.first(where: { $0.scaling == row.scaling }) else { return row }
      var row = row
      row.efficiency =
        row.tokensPerS / Double(row.workers) / (first.tokensPerS / Double(first.workers))
      row.machineEfficiency = row.machineEfficiency / first.machineEfficiency
      return row
    }
  }

  /// A row whose efficiencies are still rates of a worker.
  private static func row(_ scaling: String, _ layout: JobLayout, _ results: [StepBenchmarkResult]) -> ScalingRow {
    func median(_ value: (StepBenchmarkResult) -> Double) -> Double {
      let sorted = results.map(value).sorted()
      return sorted[sorted.count / 2]
    }
    return ScalingRow(
      scaling: scaling, ranks: layout.ranks, threads: layout.threads, batch: results[0].batch,
      stepS: median(\.stepSMedian), tokensPerS: median(\.tokensPerS), exposedCommS: median(\.exposedCommS),
      efficiency: 0, machineEfficiency: median(\.sgemmGflops) / Double(layout.workers))
  }

  private static func leastCommonMultiple(_ a: Int, _ b: Int) -> Int {
    var (x, y) = (a, b)
    while y != 0 { (x, y) = (y, x % y) }
    return a / x * b
  }
}

extension ScalingResult {
  /// Speed against workers for both ways to scale, with the ideal line.
  public var svg: String {
    let (width, height, left, right, top, bottom) = (640.0, 420.0, 70.0, 610.0, 50.0, 360.0)
    let most = Double(rows.map(\.workers).max() ?? 1)
    func x(_ workers: Double) -> Double { left + (right - left) * workers / most }
    func y(_ speed: Double) -> Double { bottom - (bottom - top) * min(speed / most, 1.1) }
    func number(_ value: Double) -> String { String(format: "%.1f", value) }
    var body: [String] = []
    func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
      body.append(
        "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" \(style)/>")
    }
    func text(_ content: String, _ x: Double, _ y: Double, _ anchor: String = "middle") {
      body.append("<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(content)</text>")
    }
    for tick in Set(rows.map(\.workers)).sorted() {
      line(left, y(Double(tick)), right, y(Double(tick)), "stroke=\"#e2e2e2\"")
      text("\(tick)", left - 10, y(Double(tick)) + 4, "end")
      text("\(tick)", x(Double(tick)), bottom + 20)
    }
    line(left, bottom, right, bottom, "stroke=\"#444\"")
    line(left, top, left, bottom, "stroke=\"#444\"")
    line(x(0), y(0), x(most), y(most), "stroke=\"#999\" stroke-dasharray=\"4 4\"")
    for (index, scaling) in ["weak", "strong"].enumerated() {
      let color = ["#0072B2", "#D55E00"][index]
      for row in rows where row.scaling == scaling {
        let speed = row.efficiency * Double(row.workers)
        body.append(
          "<circle cx=\"\(number(x(Double(row.workers))))\" cy=\"\(number(y(speed)))\" r=\"4\" fill=\"\(color)\"><title>\(scaling), \(row.ranks) ranks of \(row.threads) threads: \(String(format: "%.2f", speed))</title></circle>"
        )
      }
      body.append(
        "<circle cx=\"\(number(left + 20))\" cy=\"\(number(top + 14 + 20 * Double(index)))\" r=\"4\" fill=\"\(color)\"/>"
      )
      text("\(scaling) scaling", left + 32, top + 18 + 20 * Double(index), "start")
    }
    text("workers (ranks × threads)", (left + right) / 2, bottom + 44)
    text("speed in units of one worker", left, top - 14, "start")
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(Int(width))" height="\(Int(height))" viewBox="0 0 \(Int(width)) \(Int(height))" \
      font-family="Helvetica, Arial, sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="#ffffff"/>
      \(body.joined(separator: "\n"))
      </svg>

      """
  }
}
