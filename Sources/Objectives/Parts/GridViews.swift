import Core

/// Views of records for objectives that compare them: random resized crops and flips of records of two axes, shifts of
/// series.
///
/// *Concretely:* of two axes [H, W] a box with a share s of the area, s even in `cropScale` … 1, and with an aspect
/// ratio between 3/4 and 4/3 times H/W, cut to the record, at an even place; its numbers are interpolated bilinearly to
/// [H, W], corners held. A flip mirrors the second axis with probability ½. Of one axis the T steps that are no padding
/// are shifted by up to ⌊(1 - cropScale) · T⌋ either way, around the end. Numbers that were not measured have no weight
/// in an interpolation; a number is measured if one of those that it is made of is.
///
/// Differences from torchvision's `RandomResizedCrop`: a box that is too long for an axis is cut in place of drawn
/// again, its place is no whole number, there is no filter against aliasing, and the logarithm of the ratio is not
/// even.
public struct GridViews: Sendable {
  private let grid: GridShape
  private let cropScale: Double
  private let flips: Bool

  /// Elements of the generator: share, place along each axis, ratio, its side, flip.
  private enum Draw: Int { case share, top, left, ratio, side, flip }

  /// - Parameters:
  ///   - cropScale: the least share of a record in a view; 1 for the whole record.
  ///   - flips: whether the last of two axes is mirrored in half of the views.
  public init(_ grid: GridShape, cropScale: Double, flips: Bool) {
    (self.grid, self.cropScale, self.flips) = (grid, cropScale, flips)
  }

  /// Why records of this shape have no such views, as the end of a sentence; nil where they have.
  public var problem: String? {
    if flips, grid.extent.count != 2 { return "mirrors records of \(grid.extent.count) axes; it must be two." }
    return cropScale < 1 && !(1...2).contains(grid.extent.count)
      ? "crops records of \(grid.extent.count) axes; it must be one or two, or crop_scale 1." : nil
  }

  /// The samples as one view of each shows them; those of padding stay as they are.
  ///
  /// - Parameter random: the generator of a sample for this view.
  /// - Complexity: O(numbers).
  public func view(_ clean: SampleBatch, _ random: (Int) -> CounterGenerator) -> SampleBatch {
    guard cropScale < 1 || flips else { return clean }
    var result = clean
    for sample in 0..<clean.count {
      let real = clean.realPositions(sample).count
      guard real > 0 else { continue }
      let steps = real * grid.patch[0] / (grid.separateChannels ? grid.channels : 1)
      let sources = grid.extent.count == 2 ? box(random(sample)) : shift(steps, random(sample))
      let own = sample * grid.count..<(sample + 1) * grid.count
      let measured = clean.observed.isEmpty ? nil : Array(clean.observed[own])
      let view = resampled(Array(clean.values[own]), measured, sources)
      result.values.replaceSubrange(own, with: view.values)
      if measured != nil { result.observed.replaceSubrange(own, with: view.measured) }
    }
    return result
  }

  /// Along one axis, for each place of the view: two places of the record, and the weight of the second.
  private typealias Source = (first: Int, second: Int, weight: Double)

  private func box(_ random: CounterGenerator) -> [[Source]] {
    func uniform(_ draw: Draw) -> Double { random.uniformDouble(draw.rawValue) }
    let share = cropScale + (1 - cropScale) * uniform(.share)
    let longer = 1 + uniform(.ratio) / 3
    let ratio = uniform(.side) < 0.5 ? longer : 1 / longer
    // The whole record has its own ratio.
    let sides = cropScale < 1 ? [share / ratio, share * ratio].map { min($0.squareRoot(), 1) } : [1, 1]
    var axes = zip([Draw.top, .left], zip(grid.extent, sides)).map { draw, axis -> [Source] in
      let (n, side) = (Double(axis.0), axis.1)
      let start = uniform(draw) * n * (1 - side)
      return (0..<axis.0).map { place in
        let x = min(max(start + (Double(place) + 0.5) * side - 0.5, 0), n - 1)
        let first = Int(x)
        return (first, min(first + 1, axis.0 - 1), x - Double(first))
      }
    }
    if flips, uniform(.flip) < 0.5 { axes[1].reverse() }
    return axes
  }

  /// - Parameter steps: those that are no padding, the first ones.
  private func shift(_ steps: Int, _ random: CounterGenerator) -> [[Source]] {
    let most = Int((1 - cropScale) * Double(steps) + 1e-9)
    let by = random.below(2 * most + 1, Draw.left.rawValue) - most
    return [
      (0..<grid.extent[0]).map { step in
        let source = step < steps ? ((step + by) % steps + steps) % steps : step
        return (source, source, 0)
      }
    ]
  }

  /// - Parameters:
  ///   - values: of a sample, by position.
  ///   - measured: nil where all are.
  private func resampled(_ values: [Float], _ measured: [Bool]?, _ sources: [[Source]]) -> (
    values: [Float], measured: [Bool]
  ) {
    let places = (0..<grid.count).map { grid.element($0 / grid.size, $0 % grid.size) }
    var positions = [Int](repeating: 0, count: grid.count)
    for (index, place) in places.enumerated() { positions[place] = index }
    let area = grid.extent.reduce(1, *)
    var (result, known) = (values, measured ?? [])
    for (index, place) in places.enumerated() {
      let cell = neighbours(place % area, sources).map { (positions[place / area * area + $0.cell], $0.weight) }
      let seen = cell.filter { measured?[$0.0] ?? true }
      let weight = seen.reduce(0) { $0 + $1.1 }
      result[index] = weight > 0 ? Float(seen.reduce(0) { $0 + Double(values[$1.0]) * $1.1 } / weight) : 0
      if measured != nil { known[index] = weight > 0 }
    }
    return (result, known)
  }

  /// The cells of a channel that a cell of the view is made of; weights are above 0 and sum to 1.
  private func neighbours(_ cell: Int, _ sources: [[Source]]) -> [(cell: Int, weight: Double)] {
    var found = [(cell: 0, weight: 1.0)]
    for (axis, n) in grid.extent.enumerated() {
      let place = cell / grid.extent[(axis + 1)...].reduce(1, *) % n
      let source = sources[axis][place]
      found = found.flatMap { known in
        [(source.first, 1 - source.weight), (source.second, source.weight)].filter { $0.1 > 0 }.map {
          (known.cell * n + $0.0, known.weight * $0.1)
        }
      }
    }
    return found
  }
}
