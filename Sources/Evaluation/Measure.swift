import Core
import Foundation
import Objectives

/// Something that is measured on a trained model: a perplexity, an accuracy, a spectrum.
///
/// A measure is a value made of its options. It partitions its items over ranks and threads with `MeasureContext.rows`,
/// reduces them in order, and so gives the same bits on any number of ranks. A new one is a file, a line in
/// `MeasureRegistry`, and a test.
public protocol Measure: Sendable {
  associatedtype Options: MeasureOptions

  /// The name in commands and comparison files.
  static var name: String { get }
  /// One line for `lockstep evaluate --list`.
  static var summary: String { get }
  /// Whether the result depends on the model. A baseline that reads the data alone says false, and is computed once for
  /// many models.
  static var readsModel: Bool { get }
  /// Names the labelled examples that are classified: results of measures with equal names are of the same examples.
  /// nil without labels.
  var labelledData: String? { get }

  /// - Throws: `ConfigurationError` naming `measures.<name>.<key>`.
  init(_ options: Options) throws(ConfigurationError)

  /// Reads the files that options name, where there are any, so that mistakes are reported before hours of training. On
  /// one rank.
  /// - Throws: `ConfigurationError` naming `measures.<name>.<key>`.
  func checkFiles() throws(ConfigurationError)

  /// What cannot be measured with this many samples together or this context whatever the weights are, known before
  /// training.
  func problems(microBatch: Int, context: Int) -> [ConfigurationError.Problem]

  /// What cannot be measured on models that read such input, known before training.
  func problems(input: ObjectiveRequirements.Input) -> [ConfigurationError.Problem]

  /// Why this model cannot be measured so, as the end of a sentence that begins with the model; nil when it can.
  func unsupportedReason(_ model: MeasuredModel) -> String?

  /// Collective: the same result on every rank.
  func callAsFunction(_ context: MeasureContext) throws -> MeasureResult
}

extension Measure {
  public static var readsModel: Bool { true }
  public var labelledData: String? { nil }
  public func checkFiles() throws(ConfigurationError) {}
  public func problems(microBatch: Int, context: Int) -> [ConfigurationError.Problem] { [] }
  public func problems(input: ObjectiveRequirements.Input) -> [ConfigurationError.Problem] { [] }
}

/// Options of a measure: Codable, with a default for everything.
public protocol MeasureOptions: ConfigurableOptions {}

extension CombinedOptions: MeasureOptions where Shared: MeasureOptions, Own: MeasureOptions {}

/// What a measure found: named numbers, and whatever else is worth keeping.
public struct MeasureResult: Codable, Sendable, Equatable {
  public var values: [MeasuredValue]
  /// Curves and tables, by name: rows of numbers under column names.
  public var tables: [String: MeasuredTable]
  /// What a reader must know, such as that a number is no probability of the text.
  public var notes: [String]
  /// Pictures of what was measured.
  public var pictures: [MeasuredPicture] = []
  /// What classifiers said of each example. No part of reports: `lockstep evaluate --predictions` writes it.
  public var predictions: [Predictions] = []

  private enum CodingKeys: String, CodingKey { case values, tables, notes, pictures }

  public init(
    _ values: [MeasuredValue], tables: [String: MeasuredTable] = [:], notes: [String] = [],
    predictions: [Predictions] = [], pictures: [MeasuredPicture] = []
  ) {
    self.pictures = pictures
    (self.values, self.tables, self.notes, self.predictions) = (values, tables, notes, predictions)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    values = try container.decode([MeasuredValue].self, forKey: .values)
    tables = try container.decode([String: MeasuredTable].self, forKey: .tables)
    notes = try container.decode([String].self, forKey: .notes)
    pictures = try container.decodeIfPresent([MeasuredPicture].self, forKey: .pictures) ?? []
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(values, forKey: .values)
    try container.encode(tables, forKey: .tables)
    try container.encode(notes, forKey: .notes)
    if !pictures.isEmpty { try container.encode(pictures, forKey: .pictures) }
  }

  public subscript(_ name: String) -> Double? { values.first { $0.name == name }?.value }
}

/// One number.
public struct MeasuredValue: Codable, Sendable, Equatable {
  public enum Better: String, Codable, Sendable { case lower, higher, neither }

  public var name: String
  public var value: Double
  public var unit: String
  /// Which direction is an improvement.
  public var better: Better
  /// Standard error over the items measured, where there is one.
  public var standardError: Double?
  /// The smallest and the largest number it can be, where there are such: an interval is cut there.
  public var least: Double?
  public var most: Double?
  /// The name of the value of the same result that it is a baseline of, where it depends on the data alone.
  public var baselineOf: String?
  /// The name of another value of the same result that says the same in another form, as bits per byte do for a
  /// perplexity.
  public var restates: String?
  /// What the number was made of, item by item: a sum and a count each. Two models measured on the same items can be
  /// paired.
  public var items: Items?

  public struct Items: Codable, Sendable, Equatable {
    public var sums: [Double]
    public var counts: [Double]

    public init(sums: [Double], counts: [Double]) { (self.sums, self.counts) = (sums, counts) }
  }

  public init(
    _ name: String, _ value: Double, unit: String = "", better: Better = .neither, standardError: Double? = nil,
    least: Double? = nil,
    most: Double? = nil, restates: String? = nil, baselineOf: String? = nil, items: Items? = nil
  ) {
    (self.name, self.value, self.unit, self.better) = (name, value, unit, better)
    (self.standardError, self.items) = (standardError, items)
    (self.least, self.most, self.restates, self.baselineOf) = (least, most, restates, baselineOf)
  }
}

/// Rows of numbers under column names: a curve, a spectrum.
public struct MeasuredTable: Codable, Sendable, Equatable {
  public var columns: [String]
  public var rows: [[Double]]

  public init(_ columns: [String], _ rows: [[Double]]) { (self.columns, self.rows) = (columns, rows) }
}
