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

  /// The suffix of values that hold the accuracy of the most frequent class.
  static let majority = ".majority_accuracy"

  /// The baselines of a measure's values on labelled text: what the most frequent class gives, and what `bag-of-words`
  /// found on the same examples.
  ///
  /// - Parameters:
  ///   - values: of the measure, of any arm: they agree on what the baselines need.
  ///   - words: the values of `bag-of-words`, where it was taken of the same examples.
  static func of(_ measure: String, _ values: [MeasuredValue], words: [MeasuredValue]?) -> [Baseline] {
    let majority = values.first { $0.name.hasSuffix(Self.majority) }?.value
    return values.filter { $0.better != .neither && $0.restates == nil }.flatMap { value -> [Baseline] in
      guard let quantity = value.name.split(separator: ".").last.map(String.init) else { return [] }
      var found: [Baseline] = []
      if quantity == "accuracy", let majority, majority.isFinite {
        found.append(Baseline(name: Self.mostFrequentClass, measure: measure, value: value.name, number: majority))
      }
      if let number = words?.first(where: { $0.name == "bag_of_words.\(quantity)" })?.value, number.isFinite {
        found.append(Baseline(name: Self.bagOfWords, measure: measure, value: value.name, number: number))
      }
      return found
    }
  }
}
