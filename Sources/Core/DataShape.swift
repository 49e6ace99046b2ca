/// What objectives and models must know of the data: token ids, rows of numbers, or both.
///
/// It is the only thing that an objective knows of a corpus besides its options. What the corpus does not have is
/// empty: text has no `values` and no `fields`, images have a vocabulary of size 0.
public struct DataShape: Codable, Sendable, Equatable {
  /// What one position of a sample is, in words that reports use.
  public enum Unit: String, Codable, Sendable, CaseIterable {
    case tokens, patches, frames, steps, points, nodes

    /// What a rate counts: `tok` of `tok/s`, `patches` of `patches/s`.
    public var abbreviation: String { self == .tokens ? "tok" : rawValue }
  }

  /// Of token inputs; its size is 0 where there are none.
  public var vocabulary: Vocabulary
  /// How a record of numbers becomes positions; nil where inputs are tokens.
  public var grid: GridShape?
  /// Named arrays beside the main input, such as labels, in rising order of their names.
  public var fields: [FieldShape]
  public var unit: Unit

  /// Data of token ids alone.
  public init(_ vocabulary: Vocabulary) {
    (self.vocabulary, grid, fields, unit) = (vocabulary, nil, [], .tokens)
  }

  /// - Precondition: names of fields are distinct.
  public init(vocabulary: Vocabulary = Vocabulary(size: 0), grid: GridShape?, fields: [FieldShape] = [], unit: Unit) {
    let sorted = fields.sorted { $0.name < $1.name }
    precondition(Set(sorted.map(\.name)).count == sorted.count, "two fields of one name")
    (self.vocabulary, self.grid, self.fields, self.unit) = (vocabulary, grid, sorted, unit)
  }

  public func field(_ name: String) -> FieldShape? { fields.first { $0.name == name } }

  /// Puts the sizes that the data decides into a model: rows of the token embedding, or the size of a row of numbers
  /// with the number of positions.
  public func fill(_ model: inout ModelConfiguration) {
    model.vocabSize = max(vocabulary.size, vocabulary.rows ?? 0)
    guard let grid else { return }
    (model.inputSize, model.maxPosition) = (grid.size, grid.positions)
    (model.positionGrid, model.patch) = (grid.positionGrid, grid.patch)
  }
}

/// A named array beside the main input of a sample, as `SampleField` holds it.
public struct FieldShape: Codable, Sendable, Equatable {
  public var name: String
  /// Entries per sample.
  public var length: Int
  /// Numbers per entry; 1 for ids.
  public var size: Int
  /// Of ids: how many there are, 0 ..< classes; 0 for numbers.
  public var classes: Int
  /// Of ids: what each of them stands for, one name per class; empty where ids have no names.
  public var names: [String]

  /// A field of numbers, or with `classes` above 0 one of ids.
  public init(_ name: String, length: Int = 1, size: Int = 1, classes: Int = 0, names: [String] = []) {
    (self.name, self.length, self.size, self.classes, self.names) = (name, length, size, classes, names)
  }

  private enum CodingKeys: String, CodingKey { case name, length, size, classes, names }

  /// Reads a field; one without `names` has none.
  public init(from decoder: any Decoder) throws {
    let keyed = try decoder.container(keyedBy: CodingKeys.self)
    name = try keyed.decode(String.self, forKey: .name)
    length = try keyed.decode(Int.self, forKey: .length)
    size = try keyed.decode(Int.self, forKey: .size)
    classes = try keyed.decode(Int.self, forKey: .classes)
    names = try keyed.decodeIfPresent([String].self, forKey: .names) ?? []
  }

  /// Writes a field; `names` only where there are any.
  public func encode(to encoder: any Encoder) throws {
    var keyed = encoder.container(keyedBy: CodingKeys.self)
    try keyed.encode(name, forKey: .name)
    try keyed.encode(length, forKey: .length)
    try keyed.encode(size, forKey: .size)
    try keyed.encode(classes, forKey: .classes)
    if !names.isEmpty { try keyed.encode(names, forKey: .names) }
  }
}

/// A record of numbers [channels, extent…] cut into patches that tile it: position p of the sample is patch p in
/// row-major order.
///
/// Inside a patch numbers stand as the weight of a convolution has them: channel first, then the axes. With
/// `separateChannels` every channel has positions of its own, all positions of channel 0 first, as PatchTST reads a
/// multivariate series.
public struct GridShape: Codable, Sendable, Equatable {
  public var channels: Int
  /// Sizes of the axes: two for images, one for series, none for a single value per channel.
  public var extent: [Int]
  /// Sizes of a patch, one per axis; each divides its axis.
  public var patch: [Int]
  public var separateChannels: Bool

  /// - Precondition: `problem` is nil.
  public init(channels: Int, extent: [Int], patch: [Int], separateChannels: Bool = false) {
    (self.channels, self.extent, self.patch, self.separateChannels) = (channels, extent, patch, separateChannels)
    precondition(problem == nil, problem ?? "")
  }

  /// What is wrong with these sizes; nil where they make a grid.
  public var problem: String? { Self.problem(channels: channels, extent: extent, patch: patch) }

  /// The same before a grid is made of them, which may come from a file.
  public static func problem(channels: Int, extent: [Int], patch: [Int]) -> String? {
    guard (1...65_536).contains(channels) else { return "\(channels) channels; there must be 1...65536" }
    guard extent.count <= 3 else { return "\(extent.count) axes; there may be at most 3" }
    guard patch.count == extent.count else { return "a patch of \(patch.count) axes for data of \(extent.count)" }
    for (size, cut) in zip(extent, patch) {
      guard (1...1_048_576).contains(size) else { return "an axis of \(size); it must lie in 1...1048576" }
      guard cut >= 1, size % cut == 0 else {
        return "a patch of \(cut) along an axis of \(size); it must divide the axis"
      }
    }
    let elements = ([channels] + extent).reduce(1.0) { $0 * Double($1) }
    return elements <= 1e9 ? nil : "\(elements) numbers in a record; there may be at most 1e9"
  }

  /// Patches along each axis.
  public var grid: [Int] { zip(extent, patch).map { $0 / $1 } }
  /// Positions of a sample.
  public var positions: Int { grid.reduce(1, *) * (separateChannels ? channels : 1) }
  /// Positions along each axis; with separate channels these are the first axis.
  public var positionGrid: [Int] { (separateChannels ? [channels] : []) + grid }
  /// Numbers of a position.
  public var size: Int { patch.reduce(1, *) * (separateChannels ? 1 : channels) }
  /// Numbers of a record.
  public var count: Int { positions * size }

  /// The numbers of a position in the order (axes, channel): entry j is the number's place in (channel, axes).
  public var channelLast: [Int] {
    let (perChannel, channels) = (patch.reduce(1, *), separateChannels ? 1 : channels)
    return (0..<size).map { $0 % channels * perChannel + $0 / channels }
  }

  /// Where number `k` of position `position` stands in the record. - Complexity: O(axes).
  public func element(_ position: Int, _ k: Int) -> Int {
    let cells = grid.reduce(1, *)
    var (cell, inner) = (position % cells, k)
    let perPatch = patch.reduce(1, *)
    let channel = separateChannels ? position / cells : inner / perPatch
    inner %= perPatch
    var (index, stride) = (0, 1)
    for axis in extent.indices.reversed() {
      let (within, step) = (inner % patch[axis], cell % grid[axis])
      index += (step * patch[axis] + within) * stride
      (inner, cell, stride) = (inner / patch[axis], cell / grid[axis], stride * extent[axis])
    }
    return channel * stride + index
  }
}
