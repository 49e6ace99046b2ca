import Core

/// Labels beside records: IDX or NumPy of one axis, whole numbers.
struct LabelFile {
  let path: String
  let labels: [Int]

  /// - Throws: `DataError` for a file that is neither, or of another shape.
  init(_ file: NumberFile) throws {
    path = file.path
    var options = NumberReaderOptions()
    options.channelAxis = .none
    let format = NumberFormat(ofFile: file.name) ?? .idx
    guard format == .idx || format == .npy else {
      throw DataError(path, "is no file of labels.", remedy: "Labels are IDX or .npy of one axis.")
    }
    let reader = try format.reader.init(file, options)
    var labels: [Int] = []
    while let record = try reader.next() {
      guard record.shape.reduce(1, *) == 1 else {
        throw DataError(
          path, "has entries of shape \(record.shape); labels have one axis.",
          remedy: "Name the file of labels with --labels and that of the numbers with --input.")
      }
      let value = record.bytes.withUnsafeBytes { record.type.value($0, 0) }
      guard record.observed.isEmpty, let label = Int(exactly: value), (0..<Int(Int32.max)).contains(label) else {
        throw DataError(record.place, "has the label \(value); labels are whole numbers from 0.")
      }
      labels.append(label)
    }
    self.labels = labels
  }
}
