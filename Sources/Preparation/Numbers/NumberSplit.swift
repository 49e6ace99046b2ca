import Core
import Data

/// How records are divided between training and validation.
public enum NumberSplit: Sendable, Equatable {
  /// As the inputs are: `--input` and `--validation-input`.
  case files
  /// By the content of each record, so that equal records land on the same side.
  case byContent(fraction: Double)
  /// The last records; of recordings, the end of each.
  case tail(fraction: Double)
  /// By content from 20 records on, else the tail; recordings by their tail.
  case automatic(fraction: Double)
  /// All records with one value of a field on one side, or with `file` all of one file.
  case byField(String, fraction: Double)

  /// The share of validation.
  var fraction: Double {
    switch self {
    case .files: 0
    case .byContent(let fraction), .tail(let fraction), .automatic(let fraction), .byField(_, let fraction): fraction
    }
  }

  /// Part of a corpus's recipe.
  var recipe: String {
    switch self {
    case .files: "files"
    case .byContent(let fraction): "content \(fraction)"
    case .tail(let fraction): "tail \(fraction)"
    case .automatic(let fraction): "automatic \(fraction)"
    case .byField(let field, let fraction): "field \(field) \(fraction)"
    }
  }
}

/// Rows of a record that go to one side: all of them, but where the tail of a recording is split off.
struct StagedPart: Equatable {
  let record: Int
  /// Of the record, from 0.
  let rows: Range<Int>
}

/// The records of each side.
struct SplitParts {
  var train: [StagedPart] = []
  var validation: [StagedPart] = []
  /// What the manifest says.
  let entry: CorpusManifest.Split

  /// - Parameter isContinuous: whether sequences are recordings that may be parted in time.
  /// - Throws: `DataError` where a side is left empty; `ConfigurationError` for a field that records do not have.
  init(_ staged: StagedRecords, _ split: NumberSplit, isContinuous: Bool, files: [String], place: String) throws {
    func part(_ record: Int) -> StagedPart {
      StagedPart(record: record, rows: 0..<staged.starts[record + 1] - staged.starts[record])
    }
    let all = 0..<staged.count
    var chosen: (Int) -> Bool = { _ in false }
    var (rule, cutsRows) = ("files", false)
    switch Self.settled(split, count: staged.count, isContinuous: isContinuous) {
    case .files, .automatic: chosen = { staged.isValidation[$0] }
    case .byContent(let fraction):
      rule = "document-hash"
      chosen = { staged.keys[$0] < fraction }
    case .tail(let fraction):
      rule = "tail"
      cutsRows = isContinuous
      let first = Int(Double(staged.count) * (1 - fraction))
      chosen = { $0 >= first }
    case .byField(let field, let fraction):
      rule = "by \(field)"
      let names = try Self.validationNames(staged, field, fraction, files)
      chosen = { names.contains(Self.name(staged, field, $0, files)) }
    }
    entry = .init(rule: rule, fraction: split.fraction)
    for record in all {
      if cutsRows {
        let whole = part(record).rows
        let cut = Int(Double(whole.count) * (1 - split.fraction))
        if cut > 0 { train.append(StagedPart(record: record, rows: 0..<cut)) }
        if cut < whole.count { validation.append(StagedPart(record: record, rows: cut..<whole.count)) }
      } else if chosen(record) {
        validation.append(part(record))
      } else {
        train.append(part(record))
      }
    }
    try check(split, place)
  }

  /// The rule that `automatic` is.
  private static func settled(_ split: NumberSplit, count: Int, isContinuous: Bool) -> NumberSplit {
    guard case .automatic(let fraction) = split else { return split }
    return isContinuous || count < SplitRule.documentsForHash
      ? .tail(fraction: fraction) : .byContent(fraction: fraction)
  }

  private func check(_ split: NumberSplit, _ place: String) throws(DataError) {
    if train.isEmpty {
      throw DataError(
        place, "leaves nothing for training: validation takes all of \(counted(validation.count, "record")).",
        remedy: "Choose a smaller share.")
    }
    if validation.isEmpty, split.fraction > 0 {
      throw DataError(
        place,
        "leaves nothing for validation: a share of \(split.fraction) of \(counted(train.count, "record")) is none.",
        remedy: "Choose a larger share, give --validation-tail, or set a share of 0.")
    }
  }

  private static func name(_ staged: StagedRecords, _ field: String, _ record: Int, _ files: [String]) -> String {
    field == "file" ? files[Int(staged.files[record])] : staged.fields[field]?.text(record) ?? ""
  }

  /// The values of a field whose records are for validation: in the order of their hashes, until they have the share of
  /// the records; at least one, and not all.
  private static func validationNames(_ staged: StagedRecords, _ field: String, _ fraction: Double, _ files: [String])
    throws -> Set<String>
  {
    guard field == "file" || staged.fields[field] != nil else {
      let known = ["file"] + staged.fields.keys.sorted()
      throw ConfigurationError(
        "--split-by", is: field, rule: "the records have \(known.joined(separator: ", ")).")
    }
    var counts: [String: Int] = [:]
    for record in 0..<staged.count { counts[name(staged, field, record, files), default: 0] += 1 }
    guard counts.count > 1 else {
      throw DataError(
        "field \(field)", "has one value, \(counts.keys.first ?? ""), which cannot be on both sides.",
        remedy: "Split by another field or by --validation-tail.")
    }
    guard fraction > 0 else { return [] }
    let order = counts.keys.map { (key: ContentKey.of(Array($0.utf8)), name: $0) }.sorted {
      $0.key != $1.key ? $0.key < $1.key : $0.name < $1.name
    }
    var (chosen, taken) = (Set<String>(), 0)
    for (_, name) in order.dropLast() where chosen.isEmpty || Double(taken) < fraction * Double(staged.count) {
      chosen.insert(name)
      taken += counts[name] ?? 0
    }
    return chosen
  }
}
