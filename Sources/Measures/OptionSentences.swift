import Core

// What docs/configuration.md says of each measure's options. A test refuses an option without a sentence.

extension MeasureOptions {
  public static var sentences: [String: String] { [:] }
}

extension LabelledTextOptions {
  /// Of the options that all measures on labelled text share.
  static var shared: [String: String] {
    [
      "train": "A file with a text and a label a row, .tsv or .csv, also .gz; it must be given.",
      "test": "Another such file; empty to hold out a fifth of train.",
      "text_column": "Name of the text's column, or its number from 1; several with commas between them are joined by line ends.",
      "label_column": "Name of the label's column, or its number from 1.",
      "header": "The first row names the columns.",
      "separator": "What stands between the columns, where the ending of the file does not say it.",
      "train_examples": "At most so many training examples, drawn by the seed; 0 for all.",
      "test_examples": "At most so many test examples, drawn by the seed; 0 for all.",
      "features": "The state a text is told by: cls, mean, last, or all for each of the three.",
      "untrained": "Weights drawn anew in place of the model's: what the shape alone gives.",
    ]
  }

  public static var sentences: [String: String] { shared }
}

extension LossMeasure.Options {
  public static var sentences: [String: String] {
    [
      "samples": "At most so many windows, evenly spread over the split, as `val` in training; 0 for all.",
      "objective": "The question of this objective with its default options, in place of the model's own; empty for its own.",
    ]
  }
}

extension WindowOptions {
  public static var sentences: [String: String] {
    ["windows": "At most so many windows of context − 2 tokens, evenly spread over the split; 0 for all."]
  }
}

extension AnyOrderMeasure.Options {
  public static var sentences: [String: String] {
    WindowOptions.sentences.merging(["draws": "Masks drawn for each window, 1 … 100000."]) { $1 }
  }
}

extension NearestNeighboursMeasure.Options {
  public static var sentences: [String: String] { shared.merging(["neighbours": "Neighbours that vote, 1 … 10000."]) { $1 } }
}

extension BagOfWordsMeasure.Options {
  public static var sentences: [String: String] {
    shared.merging([
      "weighting": "What a word that comes c times weighs: binary 1, count c, log 1 + ln c.",
      "min_texts": "Training texts a word must occur in.",
    ]) { $1 }
  }
}

extension FinetuneMeasure.Options {
  public static var sentences: [String: String] {
    shared.merging([
      "feature": "The state the classifier reads: cls, mean or last.",
      "untrained": "Weights drawn anew in place of the model's: training from nothing.",
      "epochs": "Passes over the training examples.",
      "learning_rate": "The peak rate: near that of pretraining for small models, 2e-5 … 5e-5 for those of 100 million parameters.",
      "batch": "Examples an optimiser step, a multiple of the command's --micro-batch.",
      "dropout": "Dropout of activations and attention while fine-tuning, from 0 and below 1.",
      "weight_decay": "Decoupled weight decay.",
    ]) { $1 }
  }
}

extension MaskVarianceMeasure.Options {
  public static var sentences: [String: String] {
    [
      "texts": "At most so many texts, evenly spread over the split, 2 … 10000.",
      "draws": "Random orders of a text from which masks at every distance are taken, 2 … 100000.",
      "trials": "Means of K masks of either kind, for the direct variances, 2 … 100000.",
      "sets": "K, the masks that cover a text together, 2 … 1000.",
      "ratio": "Share of ordinary tokens that a mask hides, 0.01 … 0.5; 0 for 1 / sets.",
      "steps": "Steps from a mask to a disjoint one, at most; 0 for a token at a time.",
      "mask_replace_prob": "Of the hidden tokens, the share shown as [MASK], 0 … 1.",
      "random_replace_prob": "Of the hidden tokens, the share shown as a random token, 0 … 1.",
      "projection": "All parameters, so many signed sums of them, or the one that fits into memory.",
      "dimensions": "Sums of a sketch.",
    ]
  }
}

extension FeatureMeasure.Options {
  public static var sentences: [String: String] {
    [
      "windows": "At most so many windows of context − 2 tokens, evenly spread over the split; 0 for all.",
      "positions": "At most so many positions of a window, evenly spread, are features of `all`; 0 for every one.",
    ]
  }
}

extension CooccurrenceMeasure.Options {
  public static var sentences: [String: String] {
    [
      "window": "Tokens of a window, all of one document.",
      "neighbours": "Tokens of a condition: the last so many of a prefix, or so many visible ones on either side of a hidden token.",
      "vocabulary": "The most frequent tokens, which alone are asked for.",
      "pairs": "Pairs drawn; compare equal numbers only.",
      "position_aware": "Conditions and targets know their place in the window, as a network with positions does.",
      "rank": "Leading singular values.",
      "max_tokens": "Of a split with more tokens, whole documents evenly spread over it are read.",
    ]
  }
}

extension RetrievalMeasure.Options {
  public static var sentences: [String: String] {
    [
      "sequences": "Sequences for each number of pairs and of distractors, 1 … 100000.",
      "pairs": "Most pairs, 1 … 10000; 1, 2, 4, … up to these are measured.",
      "distractors": "Most distractors, 0 … 10000; none, half and all are measured.",
      "keys": "Words with spaces between them, each one token; empty to take tokens of the text.",
      "values": "The same for values.",
      "distractor_words": "The same for distractors.",
    ]
  }
}
