import Core
import Storage

/// A format that numbers are read from.
public enum NumberFormat: String, Sendable, CaseIterable {
  case idx, cifar10, cifar100, npy, images, ucr, ts, series, sound, wfdb

  /// Endings of its files without a dot, in lower case.
  var endings: [String] {
    switch self {
    case .idx: ["idx", "idx1-ubyte", "idx2-ubyte", "idx3-ubyte", "idx4-ubyte"]
    case .cifar10, .cifar100: ["bin"]
    case .npy: ["npy"]
    case .images: ["png", "jpg", "jpeg"]
    case .ucr: ["tsv", "txt"]
    case .ts: ["ts"]
    case .series: ["csv", "tsv", "txt"]
    case .sound: ["wav", "flac"]
    case .wfdb: ["hea"]
    }
  }

  /// The format that a file's ending says; nil for one that says nothing, or text. `.csv` and `.tsv` are text.
  public init?(ofFile name: String) {
    let plain = Compression.plainName(name)
    let known: [NumberFormat] = [.idx, .npy, .images, .ts, .sound, .wfdb]
    guard let format = known.first(where: { $0.takes(plain) }) else { return nil }
    self = format
  }

  /// Whether a name without the ending of a compressed file is one of its files.
  func takes(_ plainName: String) -> Bool {
    endings.contains { plainName.hasSuffix("." + $0) || ($0.hasSuffix("-ubyte") && plainName.hasSuffix("-" + $0)) }
  }

  /// What reads it.
  var reader: any NumberReader.Type {
    switch self {
    case .idx: IDXReader.self
    case .cifar10: CIFARReader.self
    case .cifar100: CIFAR100Reader.self
    case .npy: NumPyReader.self
    case .images: ImageReader.self
    case .ucr: UCRReader.self
    case .ts: TSReader.self
    case .series: SeriesReader.self
    case .sound: SoundReader.self
    case .wfdb: WFDBReader.self
    }
  }

  /// What a position of a sample is called where nothing else is said.
  var unit: DataShape.Unit {
    switch self {
    case .idx, .cifar10, .cifar100, .npy, .images: .patches
    case .ucr, .ts, .series, .sound, .wfdb: .steps
    }
  }

  /// Whether a file is one record, so that several are read at once.
  var isRecordPerFile: Bool { self == .images || self == .sound || self == .wfdb }

  /// Whether sequences that are all of one length become records.
  var equalLengthsAreRecords: Bool { self == .ucr || self == .ts }

  /// Whether a sequence is a recording that may be parted in time, so that its end is for validation.
  var isContinuous: Bool { self == .series || self == .wfdb }

  /// Names that the format gives to the ids of a field; none for most.
  func classNames(of field: String) -> [String] {
    guard self == .cifar10, field == "label" else { return [] }
    return CIFARReader.names
  }

  /// The format that is named, or that of all inputs.
  /// - Throws: `ConfigurationError` where the inputs do not say it, or say several.
  static func of(_ inputs: [String], _ given: NumberFormat?) throws -> NumberFormat {
    if let given { return given }
    let choices = allCases.map(\.rawValue).joined(separator: ", ")
    var found: [NumberFormat] = []
    for input in inputs {
      guard let format = NumberFormat(ofInput: input) else {
        throw ConfigurationError(
          "--format", "is missing: \(input) does not say by its ending what it is; numbers are \(choices).")
      }
      if !found.contains(format) { found.append(format) }
    }
    guard found.count == 1 else {
      throw ConfigurationError("--input", "names files of several formats; prepare them one by one.")
    }
    return found[0]
  }

  /// The format of a file by its ending, or of a folder by that of its first file that has one; nil where those say
  /// nothing. A folder that holds text as well is of text.
  public init?(ofInput path: String) {
    guard case .success(let status) = FileStatus.of(SystemPath(path)), status.kind == .folder else {
      self.init(ofFile: path)
      return
    }
    let text = InputChoice.byEnding().extensions.map { "." + $0 }
    var found: NumberFormat?
    var folders = [SystemPath(path)]
    while let folder = folders.popLast() {
      // What cannot be listed is named when the folder is read.
      guard let names = try? Folder.names(folder) else { continue }
      for name in names where name.first != UInt8(ascii: ".") {
        let entry = folder.appending(name)
        guard case .success(let status) = FileStatus.ofLink(entry) else { continue }
        if status.kind == .folder { folders.append(entry) }
        let plain = Compression.plainName(readableName(name))
        if text.contains(where: plain.hasSuffix) { return nil }
        if found == nil { found = NumberFormat(ofFile: plain) }
      }
    }
    guard let found else { return nil }
    self = found
  }
}
