import Core
import Kernels

/// A random linear map of long vectors to few dimensions that keeps inner products on average.
///
/// *Concretely:* element i is added to one of the dimensions, b(i), with a sign, s(i), both drawn from a word that is
/// keyed by (seed, i). E ⟨Sx, Sy⟩ = ⟨x, y⟩ over seeds, with a variance of at most (‖x‖²‖y‖² + ⟨x, y⟩²) / dimensions.
///
/// Reference: Charikar, Chen, Farach-Colton, "Finding frequent items in data streams", ICALP 2002; Weinberger et al.,
/// "Feature hashing for large scale multitask learning", 2009, arXiv 0902.2206.
/// - Complexity: one addition per element, 2 bytes per element of memory.
public struct SignSketch: Sendable {
  /// The most sums of a sketch.
  public static let mostDimensions = 1 << 15

  /// Sums of the sketch.
  public let dimensions: Int
  /// b(i) · 2 + (1 where s(i) = -1).
  private let codes: [UInt16]

  /// Draws for each of `elements` numbers the sum that it goes to, and its sign.
  public init(elements: Int, dimensions: Int, seed: UInt64) {
    precondition((1...Self.mostDimensions).contains(dimensions), "a sketch of \(dimensions) dimensions")
    let random = CounterGenerator(seed: seed, purpose: .evaluation, site: 0x5163_7463)
    self.dimensions = dimensions
    codes = (0..<elements).map { i in
      let word = random.word(i)
      let bucket = (UInt64(word >> 1) * UInt64(dimensions)) >> 31
      return UInt16(truncatingIfNeeded: bucket << 1) | UInt16(truncatingIfNeeded: word & 1)
    }
  }

  /// Adds the element at `index` of a vector to its sketch.
  public func add(_ value: Double, at index: Int, to sums: inout [Double]) {
    let code = codes[index]
    sums[Int(code >> 1)] += code & 1 == 0 ? value : -value
  }
}
