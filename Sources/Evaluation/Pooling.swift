import Core
import Kernels
import Layers
import Tensors

/// Which hidden states of the last layer stand for a sample: their mean over a range of positions.
public enum Pooling: String, Sendable, CaseIterable {
  /// The position of [CLS].
  case cls
  /// All positions of the sample, without [CLS] and [SEP].
  case mean
  /// The last position of the sample.
  case last

  /// - Parameters:
  ///   - count: positions of the sample as the model reads it, leading and trailing ones included.
  ///   - leading: 1 where [CLS] stands first.
  ///   - trailing: 1 where [SEP] stands last.
  public func rows(of count: Int, leading: Int, trailing: Int) -> Range<Int> {
    let (start, end) = (leading, count - trailing)
    return switch self {
    case .cls: 0..<1
    case .mean: start..<end
    case .last: end - 1..<end
    }
  }

  /// The same for a text: framed ones have [CLS] first and [SEP] last.
  public func rows(of count: Int, framed: Bool) -> Range<Int> {
    rows(of: count, leading: framed ? 1 : 0, trailing: framed ? 1 : 0)
  }

  /// The poolings that an option asks for; `all` leaves [CLS] out where there is none.
  /// - Throws: `ConfigurationError` for [CLS] of a model that was trained without.
  public static func chosen(_ option: String, framed: Bool, measure: String) throws(ConfigurationError) -> [Pooling] {
    guard let one = Pooling(rawValue: option) else { return framed ? [.cls, .mean, .last] : [.mean, .last] }
    guard one != .cls || framed else {
      throw ConfigurationError(
        "measures.\(measure).features", is: option,
        rule: "but this model was trained on samples without [CLS]; use mean or last.")
    }
    return [one]
  }

  /// What is wrong with an option that takes a pooling, or `all` where `several`.
  public static func problems(_ option: String, key: String, several: Bool) -> [ConfigurationError.Problem] {
    let allowed = allCases.map(\.rawValue) + (several ? ["all"] : [])
    return allowed.contains(option)
      ? [] : [.init(key: key, sentence: "is \(option); it must be one of \(allowed.joined(separator: ", ")).")]
  }
}

extension SequenceInput {
  /// Positions of a sample that are no padding.
  public func realRows(of sample: Int) -> Int {
    // Padding sees padding only, and so nothing at the start of its sample.
    (0..<length).first { ranges.first[sample * length + $0] > 0 } ?? length
  }
}

extension Range<Int> {
  /// The mean of these rows of a matrix, counted from `start`.
  public func mean(of x: TensorView, from start: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: x.columns)
    for row in self { for j in 0..<x.columns { sums[j] += Double(x[start + row, j]) } }
    return sums.map { $0 / Double(count) }
  }
}
