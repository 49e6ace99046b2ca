import Evaluation

/// A number that needs no trained model, to hold the arms' values against: computed once for the whole comparison.
public struct Baseline: Codable, Sendable, Equatable {
  public var name: String
  /// The measure and the value of the arms that it is held against.
  public var measure: String
  public var value: String
  public var number: Double

  static let mostFrequentClass = "most frequent class"
  static let bagOfWords = "bag of words"
  static let rawInput = "raw input"

  /// The suffix of values that hold the accuracy of the most frequent class.
  static let majority = ".majority_accuracy"
  /// The suffix of values that hold the accuracy of the same classifier on the input itself.
  static let raw = ".raw_accuracy"

  /// The baselines that a measure gives beside its values: `forecast.24.last_value_mse` is one of `forecast.24.mse`.
  static func of(_ measure: String, _ values: [MeasuredValue]) -> [Baseline] {
    values.compactMap { value -> Baseline? in
      guard let other = value.baselineOf, value.value.isFinite else { return nil }
      func last(_ name: String) -> String { name.split(separator: ".").last.map(String.init) ?? name }
      let own = last(value.name).replacing("_" + last(other), with: "")
      return Baseline(
        name: own.replacing("_", with: " "), measure: measure, value: other, number: value.value)
    }
  }

  /// The baselines of a measure's values on labelled examples: what the most frequent class gives, what the same
  /// classifier finds in the input of records of numbers, and what `bag-of-words` found on the same texts.
  ///
  /// - Parameters:
  ///   - values: of the measure, of any arm: they agree on what the baselines need.
  ///   - words: the values of `bag-of-words`, where it was taken of the same examples.
  static func of(_ measure: String, _ values: [MeasuredValue], words: [MeasuredValue]?) -> [Baseline] {
    let majority = values.first { $0.name.hasSuffix(Self.majority) }?.value
    let raw = values.first { $0.name.hasSuffix(Self.raw) }?.value
    return values.filter { $0.better != .neither && $0.restates == nil }.flatMap { value -> [Baseline] in
      guard let quantity = value.name.split(separator: ".").last.map(String.init) else { return [] }
      var found: [Baseline] = []
      if quantity == "accuracy", let majority, majority.isFinite {
        found.append(Baseline(name: Self.mostFrequentClass, measure: measure, value: value.name, number: majority))
      }
      if quantity == "accuracy", let raw, raw.isFinite {
        found.append(Baseline(name: Self.rawInput, measure: measure, value: value.name, number: raw))
      }
      if let number = words?.first(where: { $0.name == "bag_of_words.\(quantity)" })?.value, number.isFinite {
        found.append(Baseline(name: Self.bagOfWords, measure: measure, value: value.name, number: number))
      }
      return found
    }
  }
}
