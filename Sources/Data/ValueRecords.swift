import Core

/// What one record of a corpus of numbers is: the shape [channels, extent…], what its positions are called, and the
/// fields beside it.
public struct ValueRecords: Codable, Sendable, Equatable {
  /// Channels of a record, 1 … 65,536.
  public var channels: Int
  /// Sizes of the axes behind the channels, at most three.
  public var extent: [Int]
  /// What a position is called in reports.
  public var unit: DataShape.Unit
  /// Arrays beside the numbers, such as labels, sorted by name.
  public var fields: [FieldShape]
  /// Whether records say which of their numbers were measured.
  public var hasObserved: Bool
  /// Mean and standard deviation of each channel over the measured numbers of the training split: samples are given as
  /// (x - mean) / deviation.
  public var mean: [Double]
  public var deviation: [Double]

  public init(
    channels: Int, extent: [Int], unit: DataShape.Unit, fields: [FieldShape] = [], hasObserved: Bool = false,
    mean: [Double], deviation: [Double]
  ) {
    (self.channels, self.extent, self.unit, self.fields) = (channels, extent, unit, fields)
    (self.hasObserved, self.mean, self.deviation) = (hasObserved, mean, deviation)
  }

  /// Numbers in a record.
  public var count: Int { ([channels] + extent).reduce(1, *) }

  /// The first thing that cannot be true of records.
  var problem: String? {
    if let problem = GridShape.problem(
      channels: channels, extent: extent, patch: [Int](repeating: 1, count: extent.count))
    {
      return problem
    }
    guard mean.count == channels, deviation.count == channels else {
      return "\(mean.count) means of \(channels) channels"
    }
    guard (mean + deviation).allSatisfy(\.isFinite), deviation.allSatisfy({ $0 > 0 }) else {
      return "a normalisation that is not finite and above 0"
    }
    if let field = fields.first(where: {
      !(1...1_048_576).contains($0.length) || !(1...65_536).contains($0.size) || $0.classes < 0
    }) {
      return "a field \(field.name) of \(field.length) × \(field.size)"
    }
    return Set(fields.map(\.name)).count == fields.count ? nil : "two fields of one name"
  }

  /// The records cut into patches.
  /// - Throws: `ConfigurationError` for a patch that does not tile them.
  public func shape(patch: [Int], separateChannels: Bool = false) throws(ConfigurationError) -> DataShape {
    let patch = patch.isEmpty ? [Int](repeating: 1, count: extent.count) : patch
    if let problem = GridShape.problem(channels: channels, extent: extent, patch: patch) {
      throw ConfigurationError("data.patch", "is \(patch), but the records are \(extent): \(problem).")
    }
    return DataShape(
      grid: GridShape(channels: channels, extent: extent, patch: patch, separateChannels: separateChannels),
      fields: fields, unit: unit)
  }
}
