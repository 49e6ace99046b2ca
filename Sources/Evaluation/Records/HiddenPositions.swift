import Core
import Layers
import Objectives

/// Which positions of samples of numbers an objective hides.
enum HiddenPositions {
  /// The real positions of each sample that the main network does not read as they are, in rising order: they are no
  /// rows of its input, a learned vector stands in their place, or their numbers were altered.
  static func of(_ example: TrainingExample, _ clean: SampleBatch, leading: Int) -> [[Int]] {
    let (input, size) = (example.inputs[0], clean.valueSize)
    return (0..<clean.count).map { sample in
      var isRead = [Bool](repeating: false, count: clean.length)
      for row in sample * input.length..<(sample + 1) * input.length {
        let position = Int(input.positionIDs[row]) - leading
        guard 0..<clean.length ~= position, input.learned.isEmpty || input.learned[row] < 0 else { continue }
        let place = (sample * clean.length + position) * size
        isRead[position] = input.values[row * size..<(row + 1) * size] == clean.values[place..<place + size]
      }
      return clean.realPositions(sample).filter { !isRead[$0] }
    }
  }
}

/// Distances between positions of a grid.
struct PositionGrid: Sendable {
  private let coordinates: [[Int]]

  /// - Parameter sizes: positions along each axis.
  init(_ sizes: [Int]) {
    coordinates = (0..<sizes.reduce(1, *)).map { position in
      var rest = position
      return sizes.reversed().map { size in
        defer { rest /= size }
        return rest % size
      }
    }
  }

  /// Σ |difference| over the axes.
  func distance(_ a: Int, _ b: Int) -> Int { zip(coordinates[a], coordinates[b]).reduce(0) { $0 + abs($1.0 - $1.1) } }

  /// Those of `candidates` that are nearest to a position. - Complexity: O(candidates).
  func nearest(to position: Int, among candidates: [Int]) -> [Int] {
    var (least, found) = (Int.max, [Int]())
    for candidate in candidates {
      let distance = distance(position, candidate)
      if distance < least { (least, found) = (distance, []) }
      if distance == least { found.append(candidate) }
    }
    return found
  }

  /// Sizes of the sets of positions that are joined by steps along one axis. - Complexity: O(positions²).
  func clusters(_ positions: [Int]) -> [Int] {
    var (left, sizes) = (Set(positions), [Int]())
    for start in positions where left.contains(start) {
      var (open, size) = ([start], 0)
      left.remove(start)
      while let position = open.popLast() {
        size += 1
        let next = positions.filter { left.contains($0) && distance(position, $0) == 1 }
        left.subtract(next)
        open += next
      }
      sizes.append(size)
    }
    return sizes
  }
}
