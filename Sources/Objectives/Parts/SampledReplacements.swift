import Core
import Kernels
import Layers
import Tensors

/// A sample with tokens that a generator proposes: drawn from its logits, without a gradient.
struct SampledReplacements {
  /// What the discriminator reads.
  private(set) var input: SequenceInput
  private let random: CounterGenerator
  private let temperature: Float
  private let isSpecial: [Bool]

  /// - Parameter input: the sample as it was, or with anything in the places that are drawn.
  init(_ input: SequenceInput, temperature: Double, _ tokens: MaskableTokens, _ random: CounterGenerator?) {
    guard let random else {
      preconditionFailure("an example of an objective with a generator carries its random numbers")
    }
    (self.input, self.random, self.temperature, isSpecial) = (input, random, Float(temperature), tokens.isSpecial)
  }

  mutating func replace(with token: Int32, at row: Int) { input.tokens[row] = token }

  /// Draws the token of a row from the softmax of its logits, special ids left out: keyed by sample and position, so
  /// that it does not depend on the micro-batch.
  mutating func draw(_ row: Int, from logits: TensorView, excluding excluded: Int32? = nil) {
    let (sample, i) = (row / input.length, row % input.length)
    // Site 0 belongs to the choice of positions.
    let own = random.at(position: input.sampleIDs[sample], site: 1 + UInt32(i))
    input.tokens[row] = gumbelArgmax(logits, temperature: temperature, isExcluded: isSpecial, excluding: excluded, own)
  }
}
