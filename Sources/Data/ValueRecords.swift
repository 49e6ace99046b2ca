import Core

/// What a corpus of numbers holds: records of one shape [channels, extent…], or sequences of unequal length whose rows
/// are [channels], with the fields beside them.
public struct ValueRecords: Codable, Sendable, Equatable {
  /// How numbers are stored.
  public enum Form: String, Codable, Sendable {
    /// `values` is [records, channels, extent…].
    case records
    /// `values` is [rows, channels], and `starts` says at which row each sequence begins.
    case sequences
  }

  /// How numbers are stored.
  public var form: Form
  /// Channels of a record or a row, 1 … 65,536.
  public var channels: Int
  /// Sizes of the axes behind the channels, at most three; none for sequences, whose only axis is that of the rows.
  public var extent: [Int]
  /// What a position is called in reports.
  public var unit: DataShape.Unit
  /// Arrays beside each record or sequence, such as labels, sorted by name.
  public var fields: [FieldShape]
  /// Arrays with one id per row of a sequence, such as annotations, sorted by name.
  public var rowFields: [FieldShape]
  /// Whether records say which of their numbers were measured.
  public var hasObserved: Bool
  /// Mean and standard deviation of each channel over the measured numbers of the training split: samples are given as
  /// (x - mean) / deviation.
  public var mean: [Double]
  public var deviation: [Double]

  /// Describes records; `problem` says whether they can be.
  public init(
    form: Form = .records, channels: Int, extent: [Int], unit: DataShape.Unit, fields: [FieldShape] = [],
    rowFields: [FieldShape] = [], hasObserved: Bool = false, mean: [Double], deviation: [Double]
  ) {
    (self.form, self.channels, self.extent, self.unit) = (form, channels, extent, unit)
    (self.fields, self.rowFields) = (fields, rowFields)
    (self.hasObserved, self.mean, self.deviation) = (hasObserved, mean, deviation)
  }

  private enum CodingKeys: String, CodingKey {
    case form, channels, extent, unit, fields, rowFields, hasObserved, mean, deviation
  }

  /// Reads a manifest's entry; one without a form is of records.
  public init(from decoder: any Decoder) throws {
    let keyed = try decoder.container(keyedBy: CodingKeys.self)
    form = try keyed.decodeIfPresent(Form.self, forKey: .form) ?? .records
    channels = try keyed.decode(Int.self, forKey: .channels)
    extent = try keyed.decode([Int].self, forKey: .extent)
    unit = try keyed.decode(DataShape.Unit.self, forKey: .unit)
    fields = try keyed.decode([FieldShape].self, forKey: .fields)
    rowFields = try keyed.decodeIfPresent([FieldShape].self, forKey: .rowFields) ?? []
    hasObserved = try keyed.decode(Bool.self, forKey: .hasObserved)
    mean = try keyed.decode([Double].self, forKey: .mean)
    deviation = try keyed.decode([Double].self, forKey: .deviation)
  }

  /// Numbers in a record, or in a row of a sequence.
  public var count: Int { ([channels] + extent).reduce(1, *) }

  /// The first thing that cannot be true of records.
  var problem: String? {
    if let problem = GridShape.problem(
      channels: channels, extent: extent, patch: [Int](repeating: 1, count: extent.count))
    {
      return problem
    }
    if form == .sequences, !extent.isEmpty { return "sequences whose rows have axes" }
    if form == .records, !rowFields.isEmpty { return "fields of rows in a corpus of records" }
    guard mean.count == channels, deviation.count == channels else {
      return "\(mean.count) means of \(channels) channels"
    }
    guard (mean + deviation).allSatisfy(\.isFinite), deviation.allSatisfy({ $0 > 0 }) else {
      return "a normalisation that is not finite and above 0"
    }
    return fieldProblem
  }

  private var fieldProblem: String? {
    let all = fields + rowFields
    if let field = all.first(where: {
      !(1...1_048_576).contains($0.length) || !(1...65_536).contains($0.size) || $0.classes < 0
    }) {
      return "a field \(field.name) of \(field.length) × \(field.size)"
    }
    if let field = all.first(where: { !$0.names.isEmpty && $0.names.count != $0.classes }) {
      return "\(field.names.count) names for \(field.classes) classes of \(field.name)"
    }
    if let field = rowFields.first(where: { $0.classes == 0 || $0.length * $0.size != 1 }) {
      return "a field \(field.name) of rows that is not one id per row"
    }
    let reserved = [ValueShard.values, ValueShard.observed] + (form == .sequences ? [ValueShard.starts] : [])
    if let field = all.first(where: { reserved.contains($0.name) }) { return "a field named \(field.name)" }
    return Set(all.map(\.name)).count == all.count ? nil : "two fields of one name"
  }

  /// What samples are: records, or windows of sequences and of long records of one axis, cut into patches.
  ///
  /// - Parameters:
  ///   - patch: sizes of a patch, one per axis; empty for single numbers.
  ///   - window: rows of a sample; 0 for whole records, which sequences do not have.
  /// - Throws: `ConfigurationError` for a patch that does not tile them, or a window that they need or cannot have.
  public func shape(patch: [Int], separateChannels: Bool = false, window: Int = 0) throws(ConfigurationError)
    -> DataShape
  {
    let axes = try sampleExtent(window)
    let patch = patch.isEmpty ? [Int](repeating: 1, count: axes.count) : patch
    if let problem = GridShape.problem(channels: channels, extent: axes, patch: patch) {
      throw ConfigurationError("data.patch", "is \(patch), but the records are \(axes): \(problem).")
    }
    let ofRows = rowFields.map { FieldShape($0.name, length: axes.first ?? 1, classes: $0.classes, names: $0.names) }
    return DataShape(
      grid: GridShape(channels: channels, extent: axes, patch: patch, separateChannels: separateChannels),
      fields: fields + ofRows, unit: unit)
  }

  /// The axes of a sample.
  private func sampleExtent(_ window: Int) throws(ConfigurationError) -> [Int] {
    switch form {
    case .sequences:
      guard window > 0 else {
        throw ConfigurationError(
          "data.window",
          "is missing: the corpus holds sequences of unequal length; set how many rows of them a sample has.")
      }
      return [window]
    case .records:
      guard window > 0 else { return extent }
      guard extent.count == 1 else {
        throw ConfigurationError(
          "data.window", is: window,
          rule: "only records of one axis can be cut into windows, and these are \(extent); leave the key out.")
      }
      return [window]
    }
  }
}
