import Core

/// The binary files of CIFAR-10: records of one byte with the label and 3 × 32 × 32 bytes, one colour after the other.
class CIFARReader: NumberReader {
  /// What the ids of CIFAR-10 stand for.
  static let names = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  ]

  private let file: NumberFile
  private let source: ByteSource
  private let labels: [(name: String, classes: Int)]
  private var taken = 0

  private static let pixels = 3 * 32 * 32

  required convenience init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    try self.init(file, labels: [("label", 10)])
  }

  /// - Parameter labels: the bytes before the pixels, with their number of classes.
  init(_ file: NumberFile, labels: [(name: String, classes: Int)]) throws {
    (self.file, source, self.labels) = (file, try ByteSource(file), labels)
  }

  var storedBytes: Int { source.storedBytes }

  func next() throws -> NumericRecord? {
    let size = labels.count + Self.pixels
    guard let bytes = try source.piece(size) else { return nil }
    taken += 1
    let place = "\(file.path), record \(taken)"
    guard bytes.count == size else {
      throw DataError(
        place, "has \(bytes.count) of \(size) bytes.",
        remedy: "Fetch the file again; files of CIFAR-10 have 3,073 bytes per image, those of CIFAR-100 3,074.")
    }
    var record = NumericRecord(.u8, shape: [3, 32, 32], bytes: Array(bytes[labels.count...]), place: place)
    for (label, byte) in zip(labels, bytes) {
      guard Int(byte) < label.classes else {
        throw DataError(
          place, "has the \(label.name) \(byte), and there are \(label.classes) classes.",
          remedy: "CIFAR-10 is --format cifar10, CIFAR-100 is --format cifar100.")
      }
      record.fields[label.name] = .id(Int(byte))
    }
    return record
  }
}

/// The binary files of CIFAR-100: as CIFAR-10, with a coarse label (20 classes) before the fine one (100 classes).
final class CIFAR100Reader: CIFARReader {
  required convenience init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    try self.init(file, labels: [("coarse_label", 20), ("label", 100)])
  }
}
