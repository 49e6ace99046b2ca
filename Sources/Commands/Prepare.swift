import ArgumentParser
import Comparison
import Core
import Data
import Foundation
import Preparation
import Runs
import Storage
import Tokenizers

struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns text, images, series or sound into the shards that train reads.",
    discussion: """
      Inputs are files or folders of plain text, JSON lines, CSV or TSV, each also compressed by gzip, zstd or xz, or - for standard input. Numbers are IDX, NumPy, CIFAR, PNG and JPEG, series in CSV, UCR, .ts and WFDB, and sound (docs/data.md).

      Examples: lockstep prepare --input book.txt --output corpora/book --validation-tail 0.1
        lockstep prepare --input news/ --column description --vocabulary 8192 --output corpora/news
        lockstep prepare --input letters.jsonl.gz --field text --tokenizer models/gpt2 --output corpora/letters
        zcat dump.gz | lockstep prepare --input - --documents lines --output corpora/dump
        lockstep prepare --input train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz --output corpora/mnist
        lockstep prepare --input photos/train --validation-input photos/test --output corpora/photos
        lockstep prepare --format series --input load.csv --time date --validation-tail 0.2 --output corpora/load
        lockstep prepare --input recordings/ --mel 40 --label-from '^([0-9])_' --output corpora/speech
      """)

  @Option(parsing: .unconditionalSingleValue, help: "A file, a folder, or - for standard input; may be repeated.")
  var input: [String] = []
  @Option(
    parsing: .unconditional,
    help:
      "In place of --input, numbers: a safetensors file with a tensor values [records, channels, …], optionally observed of its shape, and fields [records, …]."
  )
  var values: String?
  @Option(parsing: .unconditional, help: "The same for validation.") var validationValues: String?
  @Option(
    parsing: .unconditional, help: "What a position of a record of numbers is: patches, frames, steps, points or nodes."
  ) var unit: DataShape.Unit?
  @Option(
    parsing: .unconditionalSingleValue,
    help:
      "Files to leave out of folders: a pattern for names (drafts, *.bak) or, with a slash, for paths below the input; may be repeated."
  )
  var exclude: [String] = []
  @Option(parsing: .unconditional, help: "The corpus folder to write.") var output: String
  @Option(
    parsing: .unconditional,
    help: "Train a byte-level BPE of this many ids on the corpus. Without it and --tokenizer, bytes are the tokens.")
  var vocabulary: Int?
  @Flag(help: "Every word between white space is a token, with ids by frequency: for sets of names.") var words = false
  @Option(parsing: .unconditional, help: "An existing tokeniser: a Hugging Face folder, tokenizer.json, or vocab.txt.")
  var tokenizer: String?
  @Flag(
    help:
      "Give the tokeniser of --tokenizer the [PAD] and [MASK] it lacks, which masked objectives need; the embedding of an imported model then grows."
  )
  var addTokens = false
  @Flag(help: "Special tokens written in the texts, such as <|endoftext|>, are those tokens; without it they are text.")
  var specialTokens = false
  @Option(
    parsing: .unconditional,
    help:
      "auto (by ending); of text: text, jsonl, csv or tsv; of numbers: idx, cifar10, cifar100, npy, images, ucr, ts, series, sound or wfdb."
  ) var format = Format.auto
  @Option(
    parsing: .unconditional,
    help:
      "How plain text is cut: file (one document per file), blank-lines, lines, or separator:TEXT for lines that hold TEXT alone."
  )
  var documents = "file"
  @Option(parsing: .unconditional, help: "The field of JSON lines that holds the text; by default text.") var field:
    String?
  @Option(parsing: .unconditionalSingleValue, help: "A column of a table, by name or number from 1; may be repeated.")
  var column: [String] = []
  @Option(
    parsing: .unconditional,
    help:
      "Separator of the columns of tables with any file extension: tab, comma, semicolon, bar, space, colon, or a character."
  )
  var separator: String?
  @Flag(help: "Tables have no header row.") var noHeader = false
  @Option(parsing: .unconditional, help: "Share of documents, chosen by their content, for validation.")
  var validationFraction: Double?
  @Option(parsing: .unconditional, help: "Share of the text, from its end, for validation.") var validationTail: Double?
  @Option(parsing: .unconditional, help: "Tokens per shard.") var shardTokens = 1 << 26
  @Option(parsing: .unconditional, help: "Threads; the shards do not depend on it.") var threads = ProcessInfo
    .processInfo.activeProcessorCount
  @Flag(help: "Replace a corpus that was made from other inputs or options.") var force = false

  @OptionGroup(title: "Numbers") var numbers: NumberArguments

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case auto, text, jsonl, csv, tsv
    case idx, cifar10, cifar100, npy, images, ucr, ts, series, sound, wfdb
  }

  func run() throws {
    if output.isEmpty || input.contains("") { throw ConfigurationError("--input and --output", "must not be empty.") }
    let environment = ProcessInfo.processInfo.environment
    if let size = environment["OMPI_COMM_WORLD_SIZE"].flatMap({ Int($0) }), size > 1 {
      guard environment["OMPI_COMM_WORLD_RANK"] == "0" else { throw Failure.Reported(code: .usage) }
      throw ConfigurationError("prepare", "runs on one host with threads of its own; start it without mpirun.")
    }
    if let values { return try prepareValues(values) }
    guard !input.isEmpty else {
      throw ConfigurationError("--input", "is missing; name a file or a folder of text, or numbers with --values.")
    }
    if let format = numberFormat() { return try prepareNumbers(format) }
    if let option = numbers.firstGiven {
      throw ConfigurationError(option, "is for numbers, and the inputs are text; say what they are with --format.")
    }
    let choice = try choice()
    var options = PreparationOptions(
      format: choice, split: try split(), shardTokens: shardTokens, threads: threads, force: force, exclude: exclude)
    options.readsSpecialTokens = specialTokens
    let preparation = CorpusPreparation(inputs: input, target: output, tokenizer: try plan(), options: options)
    try show { try preparation.run(progress: $0) }
  }

  private func prepareValues(_ path: String) throws {
    guard input.isEmpty, vocabulary == nil, tokenizer == nil, !words, !addTokens else {
      throw ConfigurationError(
        "--values", "makes a corpus of numbers; leave out --input and the options of tokenisers.")
    }
    _ = try ValuePreparation(
      training: path, validation: validationValues, target: output, unit: unit ?? .patches, force: force
    ).run()
    for line in try CorpusInspection(output, verify: false).lines.dropLast() { try StandardOutput.line(line) }
  }

  private func plan() throws -> TokenizerPlan {
    if addTokens, tokenizer == nil {
      throw ConfigurationError(
        "--add-tokens",
        "adds to the tokeniser of --tokenizer; bytes, --vocabulary and --words have [PAD] and [MASK] already.")
    }
    if words {
      guard vocabulary == nil, tokenizer == nil else {
        throw ConfigurationError("--words", "makes a tokeniser of its own; leave out --vocabulary and --tokenizer.")
      }
      return .train(recipe: "words") { documents in
        var trainer = WordLevelTrainer()
        try documents.forEach { trainer.count($0) }
        return try trainer.train()
      }
    }
    if let tokenizer {
      guard vocabulary == nil else {
        throw ConfigurationError("--vocabulary", "trains a tokeniser and --tokenizer names one; give one of the two.")
      }
      return .ready(try TokenizerLoader.load(tokenizer).addingSpecials(addTokens ? [.pad, .mask] : []))
    }
    guard let vocabulary else { return .ready(ByteTokenizer()) }
    guard (BytePairTrainer.smallestVocabulary...BytePairTrainer.largestVocabulary).contains(vocabulary) else {
      throw ConfigurationError(
        "--vocabulary", is: vocabulary,
        rule:
          "it must lie in \(BytePairTrainer.smallestVocabulary)...\(BytePairTrainer.largestVocabulary): 256 bytes, the special tokens, and merges."
      )
    }
    let threads = threads
    return .train(recipe: "bpe \(vocabulary)") { documents in
      var trainer = BytePairTrainer()
      try documents.forEach { trainer.count($0, threads: threads) }
      return try trainer.train(vocabularySize: vocabulary)
    }
  }

  private func choice() throws(ConfigurationError) -> InputChoice {
    guard let rule = DocumentRule(option: documents) else {
      let nearest = DocumentRule.nearest(documents)
      throw ConfigurationError(
        "--documents", is: "\"\(documents)\"",
        rule:
          "it must be file, blank-lines, lines, or separator:TEXT for lines that hold TEXT alone. Did you mean \(nearest)?"
      )
    }
    let table = TableLayout(
      columns: column.isEmpty ? [.name("text")] : column.map(TableColumn.init), hasHeader: !noHeader)
    if let separator {
      guard let separator = TableSeparator(option: separator) else {
        throw ConfigurationError("--separator", is: "\"\(separator)\"", rule: "it must be \(TableSeparator.choices).")
      }
      guard format == .auto else {
        throw ConfigurationError(
          "--separator", "says that the inputs are tables; leave out --format \(format.rawValue).")
      }
      return .all(.table(table, separator))
    }
    let choice: InputChoice =
      switch format {
      case .auto: .byEnding(text: rule, field: field ?? "text", table: table)
      case .text: .all(.text(rule))
      case .jsonl: .all(.jsonLines(field: field ?? "text"))
      case .csv: .all(.csv(table))
      case .tsv: .all(.tsv(table))
      default: throw ConfigurationError("--format", is: format.rawValue, rule: "it is of numbers.")
      }
    try requireUse(of: choice)
    return choice
  }

  /// Refuses options for a kind of file that no input is; what a folder or a pipe holds is not known here.
  private func requireUse(of choice: InputChoice) throws(ConfigurationError) {
    var isFolder: ObjCBool = false
    guard
      input.allSatisfy({ FileManager.default.fileExists(atPath: $0, isDirectory: &isFolder) && !isFolder.boolValue })
    else { return }
    let formats = input.map { choice.format(ofFile: $0) }
    if field != nil, !formats.contains(where: { if case .jsonLines = $0 { true } else { false } }) {
      throw ConfigurationError(
        "--field",
        "is for JSON lines, and no input is a .jsonl, .ndjson or .json file. Tables have --column; another ending: --format jsonl."
      )
    }
    if !column.isEmpty, !formats.contains(where: { if case .table = $0 { true } else { false } }) {
      throw ConfigurationError(
        "--column",
        "is for tables, and no input is a .csv or .tsv file. JSON lines have --field; another ending: --format or --separator."
      )
    }
  }

  private func split() throws -> SplitRule {
    switch (validationFraction, validationTail) {
    case (nil, nil): return .automatic(fraction: 0.1)
    case (let fraction?, nil): return .byDocumentHash(fraction: fraction)
    case (nil, let tail?): return .tail(fraction: tail)
    default: throw ConfigurationError("--validation-tail", "and --validation-fraction are two ways to split; give one.")
    }
  }
}

extension DataShape.Unit: ExpressibleByArgument {}
