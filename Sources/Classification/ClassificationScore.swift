import Evaluation

/// How well classes were predicted.
struct ClassificationScore {
  /// 1 for each example that was right, 0 otherwise.
  let correct: [Double]
  /// F1 of each class, its mean over the classes that occur among labels or predictions.
  let macroF1: Double

  init(predictions: [Int], labels: [Int], classes: Int) {
    precondition(predictions.count == labels.count, "\(predictions.count) predictions for \(labels.count) labels")
    correct = zip(predictions, labels).map { $0 == $1 ? 1 : 0 }
    var (hits, actual, predicted) = (
      [Double](repeating: 0, count: classes), [Double](repeating: 0, count: classes),
      [Double](repeating: 0, count: classes)
    )
    for (prediction, label) in zip(predictions, labels) {
      if prediction == label { hits[label] += 1 }
      actual[label] += 1
      predicted[prediction] += 1
    }
    // 2·TP / (2·TP + FP + FN).
    let present = (0..<classes).filter { actual[$0] + predicted[$0] > 0 }
    macroF1 =
      present.isEmpty
      ? 0 : present.reduce(0) { $0 + 2 * hits[$1] / (actual[$1] + predicted[$1]) } / Double(present.count)
  }

  var accuracy: Double { correct.reduce(0, +) / Double(max(correct.count, 1)) }

  /// Accuracy with its standard error and items, and macro F1.
  func values(_ name: String) -> [MeasuredValue] {
    let items = MeasuredValue.Items(sums: correct, counts: [Double](repeating: 1, count: correct.count))
    return [
      MeasuredValue(
        "\(name).accuracy", accuracy, better: .higher, standardError: ratioError(items), least: 0, most: 1, items: items
      ),
      MeasuredValue("\(name).macro_f1", macroF1, better: .higher, least: 0, most: 1),
    ]
  }
}
