import Core
import Data

/// The entries of one field of all records, while names and their ids are being collected.
struct FieldColumn {
  /// One entry per record: an id, or the place of its name among `names` in the order in which they came.
  private(set) var entries: [Int32] = []
  private var places: [String: Int32] = [:]
  private(set) var names: [String] = []

  /// Names are kept in memory and in the manifest.
  static let mostNames = 1_000_000

  var isNamed: Bool { !names.isEmpty }

  /// - Throws: `DataError` for an id that cannot be one, or where ids and names are mixed.
  mutating func append(_ entry: FieldEntry, _ field: String, place: @autoclosure () -> String) throws(DataError) {
    switch entry {
    case .id(let id):
      guard (0..<Int(Int32.max)).contains(id) else {
        throw DataError(place(), "has the \(field) \(id); ids must lie in 0...\(Int32.max - 1).")
      }
      guard !isNamed else { throw DataError(place(), "has the \(field) \(id), and others have names.") }
      entries.append(Int32(id))
    case .name(let name):
      guard isNamed || entries.isEmpty else {
        throw DataError(place(), "has the \(field) \(name), and others have ids.")
      }
      entries.append(try self.place(of: name, field))
    }
  }

  private mutating func place(of name: String, _ field: String) throws(DataError) -> Int32 {
    if let known = places[name] { return known }
    guard names.count < Self.mostNames, name.utf8.count <= 1024 else {
      throw DataError(
        "field \(field)", "has more than \(Self.mostNames) names, or one of more than 1,024 bytes.",
        remedy: "Choose a column with classes.")
    }
    let place = Int32(names.count)
    names.append(name)
    places[name] = place
    return place
  }

  /// What an entry is called: its name, or its id.
  func text(_ record: Int) -> String {
    isNamed ? names[Int(entries[record])] : String(entries[record])
  }

  /// The classes, and the id that stands for each entry.
  ///
  /// Names get ids in rising order: as numbers where all are whole numbers, else by their bytes.
  /// - Parameter known: names that the format gives to ids.
  func classes(known: [String]) -> (count: Int, names: [String], id: (Int32) -> Int32) {
    guard isNamed else {
      let count = Int(entries.max() ?? 0) + 1
      return count <= known.count ? (known.count, known, { $0 }) : (count, [], { $0 })
    }
    let order = Self.order(names)
    var ids = [Int32](repeating: 0, count: names.count)
    for (id, place) in order.enumerated() { ids[place] = Int32(id) }
    return (names.count, order.map { names[$0] }, { ids[Int($0)] })
  }

  private static func order(_ names: [String]) -> [Int] {
    let numbers = names.compactMap { Int($0) }
    if numbers.count == names.count { return names.indices.sorted { (numbers[$0], $0) < (numbers[$1], $1) } }
    return names.indices.sorted { Array(names[$0].utf8).lexicographicallyPrecedes(Array(names[$1].utf8)) }
  }
}
