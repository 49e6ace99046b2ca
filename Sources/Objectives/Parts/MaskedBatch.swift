import Core
import Layers

/// A micro-batch of which some positions are hidden and predicted: the one builder of a masked objective's input and
/// targets.
///
/// A masked objective says how many positions of a sample are hidden (`maskCount`, `MaskCount`), which (`randomSubset`,
/// `MaskShape`, `MaskPartition`), and what stands there instead (`Replacement`, or zeros); this type does the rest, for
/// tokens and for numbers alike.
public struct MaskedBatch: Sendable {
  /// What the network reads.
  public private(set) var input: SequenceInput
  /// How many samples have targets.
  public private(set) var samples = 0
  private var (rows, ids, weights) = ([Int](), [Int32](), [Float]())
  private var numbers = ValueTargets()

  /// - Parameter input: the samples as they are.
  public init(_ input: SequenceInput) { self.input = input }

  /// Makes the tokens at positions of a sample targets, and leaves them visible.
  ///
  /// - Parameter weight: what each counts in the loss.
  public mutating func predict(_ positions: [Int], of sample: Int, weight: Float = 1) {
    if !positions.isEmpty { samples += 1 }
    for i in positions {
      rows.append(sample * input.length + i)
      ids.append(input.tokens[sample * input.length + i])
      weights.append(weight)
    }
  }

  /// Makes the tokens at positions of a sample targets, and puts others in their places.
  ///
  /// - Parameters:
  ///   - weight: what each counts in the loss.
  ///   - replacement: what is shown for a token at a position.
  public mutating func hide(
    _ positions: [Int], of sample: Int, weight: Float = 1,
    behind replacement: (_ token: Int32, _ position: Int) -> Int32
  ) {
    predict(positions, of: sample, weight: weight)
    for i in positions {
      let row = sample * input.length + i
      input.tokens[row] = replacement(input.tokens[row], i)
    }
  }

  /// Makes the numbers at positions of a sample targets, and puts zeros in their places. A number that was not measured
  /// has no weight, and a position without one that was is hidden but no target.
  ///
  /// - Parameter clean: the samples, with their numbers [n·T, k] and which of them were measured.
  public mutating func hide(_ positions: [Int], of sample: Int, in clean: SampleBatch) {
    let (size, before) = (clean.valueSize, numbers.count)
    for i in positions {
      let first = (sample * input.length + i) * size
      input.values.replaceSubrange(first..<first + size, with: repeatElement(0, count: size))
      numbers.add(i, of: sample, in: clean)
    }
    if numbers.count > before { samples += 1 }
  }

  /// Everything made a target until now.
  ///
  /// - Parameter count: what the term is divided by; Σ weights if nil.
  public func targets(count: Double? = nil) -> TermTargets {
    guard numbers.count > 0 else { return TermTargets(rows: rows, ids: ids, weights: weights, count: count) }
    var targets = numbers.targets()
    if let count { targets.count = count }
    return targets
  }

  /// The input and the targets as an example of one input and one term.
  public func example(count: Double? = nil) -> TrainingExample {
    TrainingExample(inputs: [input], targets: [targets(count: count)])
  }
}
