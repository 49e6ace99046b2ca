import Core
import Data
import Foundation
import Tokenizers

/// What decides a corpus beside its inputs, and how fast it is made.
public struct PreparationOptions: Sendable {
  public var format: InputChoice
  /// Endings of the files taken from folders; nil for those of the format.
  public var extensions: [String]?
  public var split: SplitRule
  /// A shard is closed before the document that would take it over so many tokens.
  public var shardTokens: Int
  /// What `tokenizer_config.json` says of the longest input.
  public var maximumLength: Int
  /// Special tokens that a text writes out, such as `<|endoftext|>`, are those tokens; otherwise they are text.
  public var readsSpecialTokens = false
  /// Threads that encode. The shards do not depend on it.
  public var threads: Int
  /// Replace a corpus that was made from other inputs or options.
  public var force: Bool
  /// Patterns of files and folders that are left out of folders.
  public var exclude: [String]

  public init(
    format: InputChoice = .byEnding(), extensions: [String]? = nil, split: SplitRule = .automatic(fraction: 0.1),
    shardTokens: Int = 1 << 26, maximumLength: Int = 1024, threads: Int = ProcessInfo.processInfo.activeProcessorCount,
    force: Bool = false, exclude: [String] = []
  ) {
    (self.format, self.extensions, self.split, self.shardTokens) = (format, extensions, split, shardTokens)
    (self.maximumLength, self.threads, self.force, self.exclude) = (maximumLength, threads, force, exclude)
  }

  /// All rules these options break.
  public var problems: [ConfigurationError.Problem] {
    var problems: [ConfigurationError.Problem] = []
    if !(0..<1).contains(split.fraction) {
      problems.append(
        .init(
          key: "validation fraction",
          sentence:
            "is \(split.fraction); it must be at least 0 and below 1. To measure models on the whole of a text, give 0 and evaluate --split train."
        ))
    }
    if shardTokens < 1 {
      problems.append(.init(key: "shard tokens", sentence: "is \(shardTokens); it must be at least 1."))
    }
    if !(1...1024).contains(threads) {
      problems.append(.init(key: "threads", sentence: "is \(threads); it must lie in 1...1024."))
    }
    return problems
  }

  /// What decides the shards, as text. Threads and force are not part of it.
  var recipe: String {
    "format \(format.name)\nsplit \(split.name)\nshard_tokens \(shardTokens)\nmaximum_length \(maximumLength)\n"
      + (readsSpecialTokens ? "special tokens are read\n" : "")
  }
}

/// Where the tokeniser of a corpus comes from.
public enum TokenizerPlan: Sendable {
  case ready(any Tokenizer)
  /// Trained on the training documents of the corpus itself, before they are encoded.
  /// The recipe names all that decides the outcome, such as `bpe 4096`.
  case train(recipe: String, @Sendable (TrainingDocuments) throws -> any Tokenizer)
}

/// The training documents of a corpus in the making, for a tokeniser to be trained on.
public struct TrainingDocuments {
  let walk: ((UnsafeBufferPointer<UInt8>) throws -> Void) throws -> Void

  /// Calls `body` with the bytes of each document, in order; may be called again.
  public func forEach(_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws { try walk(body) }
}

/// How far a preparation is.
public struct PreparationProgress: Sendable, Equatable {
  public enum Phase: String, Sendable, CaseIterable {
    case hashing, scanning, trainingTokenizer = "training tokeniser", encoding, reading, writing
  }

  public var phase: Phase
  /// Stored bytes of the sources: done in this phase, and in all.
  public var bytesDone: Int
  public var bytesTotal: Int
  public var documents: Int
  public var tokens: Int
  /// Since the phase began.
  public var seconds: Double

  public var bytesPerSecond: Double { seconds > 0 ? Double(bytesDone) / seconds : 0 }
}

/// What a preparation did.
public struct PreparationOutcome: Sendable {
  public var manifest: CorpusManifest
  /// The folder held this very corpus; nothing was done.
  public var alreadyPrepared: Bool
  /// Sentences for the user: the split chosen, what was left out, what was odd.
  public var notes: [String]
}
