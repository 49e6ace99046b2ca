import Evaluation

/// Names of measures and values as a reader takes them: those of commands and JSON are for programs.
enum ValueNames {
  private static let measures = [
    "loss": "Loss", "left-to-right": "Left to right", "any-order": "Any order (upper bound)",
    "pseudo-perplexity": "Pseudo-perplexity",
    "probe": "Linear probe", "knn": "Nearest neighbours", "bag-of-words": "Bag of words", "finetune": "Fine-tuning",
    "mask-variance": "Variance over masks", "features": "Features", "cooccurrence": "Co-occurrence",
    "retrieval": "Retrieval", "reconstruct": "Reconstruction", "forecast": "Forecast", "masks": "Masks",
    "frames": "Single frames",
  ]

  /// First parts of values that repeat the measure.
  private static let prefixes: Set = [
    "left_to_right", "any_order", "pseudo", "probe", "knn", "bag_of_words", "finetune", "mask_variance", "features",
    "cooccurrence", "retrieval", "reconstruct", "forecast", "masks", "frames",
  ]

  /// Parts whose words are others than those of the key.
  private static let parts = [
    "macro_f1": "macro F1", "mean": "mean state", "last": "last state", "cls": "state of [CLS]", "all": "all states",
    "sigma2": "σ₂",
    "squared_sum": "Σσ²", "exact": "exactly retrieved", "best_of_offered": "best of those offered",
    "strength": "penalty chosen",
    "nmi": "normalised mutual information of clusters", "purity": "purity of clusters",
    "cluster_perplexity": "clusters in use",
    "raw": "the numbers themselves", "decoder_mse": "MSE of its decoder", "decoder_mae": "MAE of its decoder",
    "mse": "MSE", "mae": "MAE", "psnr": "PSNR", "mean_mse": "MSE of the training mean",
    "neighbour_mse": "MSE of the visible neighbours", "mean_psnr": "PSNR of the training mean",
    "neighbour_psnr": "PSNR of the visible neighbours", "chi2": "χ²",
    "normalized_std": "standard deviation of normalised features",
    "largest_share": "share of the largest singular value", "majority_accuracy": "accuracy of the most frequent class",
    "singular_value": "singular value", "standard_error": "standard error", "i": "rank of the singular value",
  ]

  static func measure(_ name: String) -> String { measures[name] ?? words(name) }

  /// The value without its measure: `probe.mean.accuracy` is "accuracy, mean state".
  static func value(_ name: String) -> String {
    var found = name.split(separator: ".").map(String.init)
    if found.count > 1, prefixes.contains(found[0]) { found.removeFirst() }
    // What was measured first, then of what.
    let isQuantityLast = [
      "accuracy", "macro_f1", "strength", "effective_rank", "largest_share", "rows", "normalized_std",
    ].contains(
      found.last ?? "")
    return (isQuantityLast ? found.reversed() : found).map(part).joined(separator: ", ")
  }

  /// Measure and value.
  static func full(_ measure: String, _ value: String) -> String {
    let (title, rest) = (self.measure(measure), self.value(value))
    return title.lowercased() == rest.lowercased() ? title : "\(title): \(rest)"
  }

  /// A column of a measure's table.
  static func column(_ name: String) -> String { part(name) }

  private static func part(_ name: String) -> String { parts[name] ?? words(name) }

  private static func words(_ name: String) -> String { name.replacing("_", with: " ") }

  /// The unit, unless the value's name says it.
  static func unit(_ unit: String, of value: String) -> String { self.value(value).contains(unit) ? "" : unit }
}

extension MeasuredValue.Better {
  /// For headings and axes.
  var sentence: String {
    switch self {
    case .lower: "lower is better"
    case .higher: "higher is better"
    case .neither: ""
    }
  }

  var arrow: String {
    switch self {
    case .lower: "↓"
    case .higher: "↑"
    case .neither: ""
    }
  }

  func isBetter(_ a: Double, than b: Double) -> Bool { self == .lower ? a < b : a > b }
}
