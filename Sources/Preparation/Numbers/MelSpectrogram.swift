import CKissFFT
import Core
import Glibc

/// Log-mel spectrograms: frames of `frame` milliseconds every `hop`, each with log Σ_k w[b, k] |X[k]|² for every band
/// b.
///
/// X is the discrete Fourier transform of the samples of a frame times a periodic Hann window, filled with zeros up to
/// a power of two. w are triangles of height 1 whose corners are equally far apart on the mel scale 2595 log10(1 + f /
/// 700) from 0 Hz to half the rate. Sums below 1e-10 count as 1e-10. Frames lie within the samples; a recording that is
/// shorter than a frame is one frame, filled with zeros. The transform is kissfft's, which is the same on every host,
/// and logarithms are made of sums and products alone.
final class MelSpectrogram {
  private let bands: Int
  /// Samples.
  private let frame: Int
  private let hop: Int
  private let size: Int
  private let window: [Float]
  /// Of each band: its first bin, and the weights from there on.
  private let filters: [(first: Int, weights: [Double])]
  private let transform: kiss_fftr_cfg

  /// - Parameter rate: samples per second.
  /// - Throws: `DataError` for frames that this rate does not allow.
  init(_ mel: NumberReaderOptions.Mel, rate: Int, place: String) throws(DataError) {
    bands = mel.bands
    let (frame, hop) = ((mel.frame * Double(rate) / 1000).rounded(), (mel.hop * Double(rate) / 1000).rounded())
    guard frame >= 2, hop >= 1, frame <= 65_536, hop <= 1e9 else {
      throw DataError(
        place,
        "has \(rate) Hz, of which a frame of \(mel.frame) ms every \(mel.hop) ms has \(frame) samples every \(hop).",
        remedy: "A frame has 2 to 65,536 samples; change --frame and --hop.")
    }
    (self.frame, self.hop) = (Int(frame), Int(hop))
    var size = 2
    while size < self.frame { size *= 2 }
    self.size = size
    window = (0..<self.frame).map { Float(0.5 - 0.5 * cos(2 * .pi * Double($0) / frame)) }
    filters = Self.filters(bands: mel.bands, size: size, rate: Double(rate))
    if let empty = filters.firstIndex(where: { $0.weights.allSatisfy { $0 == 0 } }) {
      throw DataError(
        place,
        "has \(rate) Hz, for which band \(empty + 1) of --mel \(mel.bands) is narrower than the \(Double(rate) / Double(size)) Hz between two frequencies.",
        remedy: "Take fewer bands or longer frames.")
    }
    guard let transform = kiss_fftr_alloc(Int32(size), 0, nil, nil) else {
      throw DataError(place, "cannot be transformed: there is no memory for \(size) samples.")
    }
    self.transform = transform
  }

  deinit { free(UnsafeMutableRawPointer(transform)) }

  private static func filters(bands: Int, size: Int, rate: Double) -> [(first: Int, weights: [Double])] {
    let top = 2595 * log10(1 + rate / 2 / 700)
    let corners = (0..<bands + 2).map { 700 * (pow(10, top * Double($0) / Double(bands + 1) / 2595) - 1) }
    return (0..<bands).map { band in
      let (low, middle, high) = (corners[band], corners[band + 1], corners[band + 2])
      let weights = (0...size / 2).map { bin in
        let f = Double(bin) * rate / Double(size)
        return max(0, min((f - low) / (middle - low), (high - f) / (high - middle)))
      }
      let first = weights.firstIndex { $0 > 0 } ?? 0
      let last = weights.lastIndex { $0 > 0 } ?? 0
      return (first, Array(weights[first...last]))
    }
  }

  /// [frames, bands]. - Precondition: there is a sample.
  func frames(of samples: [Float]) -> [Float] {
    let count = samples.count < frame ? 1 : 1 + (samples.count - frame) / hop
    var result: [Float] = []
    result.reserveCapacity(count * bands)
    var input = [Float](repeating: 0, count: size)
    var output = [kiss_fft_cpx](repeating: kiss_fft_cpx(), count: size / 2 + 1)
    for number in 0..<count {
      for i in 0..<frame {
        let place = number * hop + i
        input[i] = place < samples.count ? samples[place] * window[i] : 0
      }
      kiss_fftr(transform, input, &output)
      for filter in filters {
        var sum = 0.0
        for (k, weight) in filter.weights.enumerated() {
          let bin = output[filter.first + k]
          sum += weight * (Double(bin.r) * Double(bin.r) + Double(bin.i) * Double(bin.i))
        }
        result.append(Float(Self.logarithm(max(sum, 1e-10))))
      }
    }
    return result
  }

  /// The natural logarithm of a positive number, the same on every host: 2 artanh((m - 1) / (m + 1)) + e log 2, for m
  /// in [√½, √2), to within a few units of the last place of a double.
  static func logarithm(_ x: Double) -> Double {
    var (m, e) = (x.significand, Double(x.exponent))
    if m > 1.4142135623730951 { (m, e) = (m / 2, e + 1) }
    let s = (m - 1) / (m + 1)
    var (power, sum, k) = (s, 0.0, 1.0)
    while k < 27 {
      sum += power / k
      power *= s * s
      k += 2
    }
    return 2 * sum + e * 0.6931471805599453
  }
}
