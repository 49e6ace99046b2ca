import Core
import Data
import Preparation
import Storage

extension FileReader {
  static let numberReaders = [
    numbers("idx", .idx), numbers("cifar", .cifar10), numbers("npy", .npy), numbers("png", .images),
    numbers("jpeg", .images), numbers("ucr", .ucr), numbers("ts", .ts),
    numbers("series", .series) { ($0.reader.time, $0.reader.group) = ("t", "g") },
    numbers("wav", .sound), numbers("flac", .sound) { $0.reader.mel = .init(bands: 4) },
    // Three files in one, parted by the text of two tildes.
    FileReader("wfdb", place: "record.") { bytes, scratch in
      scratch.clear("wfdb")
      var parts: [[UInt8]] = [[]]
      for byte in bytes {
        if byte == UInt8(ascii: "~"), parts.count < 3, parts[parts.count - 1].last == byte {
          parts[parts.count - 1].removeLast()
          parts.append([])
        } else {
          parts[parts.count - 1].append(byte)
        }
      }
      var path = ""
      for (part, ending) in zip(parts, ["hea", "dat", "atr"]).reversed() {
        path = try scratch.write(part, to: "wfdb/record.\(ending)")
      }
      try prepare(path, .wfdb, scratch) { _ in }
    },
  ]

  private static func numbers(
    _ name: String, _ format: NumberFormat, _ change: @escaping @Sendable (inout NumberOptions) -> Void = { _ in }
  ) -> FileReader {
    FileReader(name, place: "input.\(name)") { bytes, scratch in
      try prepare(try scratch.write(bytes, to: "input.\(name)"), format, scratch, change)
    }
  }

  /// Makes a corpus and reads a sample of it.
  private static func prepare(
    _ path: String, _ format: NumberFormat, _ scratch: ScratchFolder, _ change: (inout NumberOptions) -> Void
  ) throws {
    scratch.clear("numbers")
    var options = NumberOptions()
    (options.format, options.split, options.threads) = (format, .byContent(fraction: 0), 1)
    change(&options)
    let folder = scratch.path + "/numbers"
    _ = try NumberPreparation(inputs: [path], target: folder, options: options).run()
    let corpus = try Corpus(folder)
    _ = try CorpusInspection(folder, verify: true).lines
    guard let records = corpus.manifest.values, records.count <= 1 << 16 else { return }
    let window = records.form == .sequences ? 3 : 0
    let dataset = try ValueDataset(
      corpus, split: .train, shape: try records.shape(patch: [], window: window), order: .sequential)
    let batch = try dataset.samples(at: 0..<1)
    try demand(batch.values.allSatisfy(\.isFinite), "a number that is not finite came out")
  }
}
