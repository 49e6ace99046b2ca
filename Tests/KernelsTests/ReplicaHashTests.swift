import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct ReplicaHashTests {
  private func hash(_ values: [Float]) -> UInt64 {
    values.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { replicaHash($0, count: buffer.count) } ?? 0 }
  }

  @Test(arguments: [1, 7, 8, 9, 37]) func anyFlippedBitIsSeen(count: Int) {
    var numbers = SeededNumbers(3)
    let values = numbers.normal(count)
    let whole = hash(values)
    for i in 0..<count {
      for bit in 0..<32 {
        var flipped = values
        flipped[i] = Float(bitPattern: flipped[i].bitPattern ^ (1 << UInt32(bit)))
        #expect(hash(flipped) != whole, "bit \(bit) of element \(i)")
      }
    }
  }

  @Test func valuesThatChangePlacesAreSeen() {
    var numbers = SeededNumbers(4)
    let values = numbers.normal(40)
    for (a, b) in [(0, 1), (0, 8), (3, 35), (32, 39)] {
      var swapped = values
      swapped.swapAt(a, b)
      #expect(hash(swapped) != hash(values), "\(a) and \(b)")
    }
    #expect(hash(Array(values.dropLast())) != hash(values))
  }

  /// The optimiser's hashes are those of the moments before it changed them.
  @Test(arguments: [8, 21]) func theUpdateHashesWhatItReads(count: Int) {
    let m = Matrices(seed: 5)
    let (p, first, second, g) = (m.normal(1, count), m.normal(1, count), m.normal(1, count), m.normal(1, count))
    for i in 0..<count { second[i] = abs(second[i]) }
    let expected = MomentHashes(first: hash(first.array), second: hash(second.array))
    let factors = AdamWFactors(
      learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, correction1: 0.1, correction2: 0.05, gradientFactor: 1
    )
    let slice = AdamWSlice(
      parameters: p.base, firstMoment: first.base, secondMoment: second.base, count: count, decay: 0.1)
    let hashes = adamWUpdate(slice, gradient: g.base, factors)
    #expect(hashes == expected)
    #expect(hash(first.array) != expected.first)
  }
}
