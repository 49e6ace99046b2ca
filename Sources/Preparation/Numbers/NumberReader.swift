import Core

/// Takes records out of a file, one after the other; one type per format.
///
/// A reader reads its file piece by piece: memory holds one record, and no more is allocated than the file can fill.
protocol NumberReader: AnyObject {
  /// Begins to read a file.
  /// - Throws: `DataError` that names the file, what it holds, the rule it breaks and what to do; `FileError`.
  init(_ file: NumberFile, _ options: NumberReaderOptions) throws

  /// The next record. - Returns: nil after the last one.
  func next() throws -> NumericRecord?

  /// Bytes of the file read so far, as they are stored; 0 where that is not known.
  var storedBytes: Int { get }

  /// A sentence for the user when all is read; nil for none.
  var note: String? { get }

  /// Other files that are read with a file, such as the signals of a header: they are hashed with it.
  static func companions(of file: NumberFile) -> [NumberFile]
}

extension NumberReader {
  var storedBytes: Int { 0 }
  var note: String? { nil }

  static func companions(of file: NumberFile) -> [NumberFile] { [] }
}

/// What readers are told beside their file.
public struct NumberReaderOptions: Sendable {
  /// Which axis of an array holds the channels.
  public enum ChannelAxis: String, Sendable, CaseIterable { case first, last, none }

  /// A log-mel spectrogram instead of samples: so many bands, of frames of `frame` milliseconds every `hop`.
  public struct Mel: Sendable, Equatable {
    /// Numbers of a frame.
    public var bands: Int
    /// Milliseconds.
    public var frame: Double
    /// Milliseconds.
    public var hop: Double

    /// Bands over frames of 25 ms every 10 ms, unless others are given.
    public init(bands: Int, frame: Double = 25, hop: Double = 10) {
      (self.bands, self.frame, self.hop) = (bands, frame, hop)
    }
  }

  /// Of arrays (`npy`): which axis behind that of the records holds the channels.
  public var channelAxis = ChannelAxis.first
  /// Of tables: the column with times; nil for rows that stand for themselves.
  public var time: String?
  /// Of tables: the column that says which series a row belongs to.
  public var group: String?
  /// Of tables: the column with the class of a series.
  public var label: String?
  /// Of tables: the columns with numbers; empty for all others.
  public var channels: [String] = []
  /// Of tables.
  public var separator = TableSeparator.comma
  /// Of sound.
  public var mel: Mel?
  /// Where `label` comes from: the file's folder, or its name.
  public var labelFrom: NameRule?
  /// Where `group` comes from.
  public var groupFrom: NameRule?

  /// The defaults of all formats.
  public init() {}

  /// What decides the records, as text.
  var recipe: String {
    [
      channelAxis.rawValue, time ?? "", group ?? "", label ?? "", channels.joined(separator: ","), separator.name,
      mel.map { "mel \($0.bands) \($0.frame) \($0.hop)" } ?? "", labelFrom?.text ?? "", groupFrom?.text ?? "",
    ].joined(separator: "\n")
  }
}

/// Takes a label or a group out of a file's path: `folder` for the name of the folder it lies in, else a regular
/// expression with one pair of round brackets, for what stands between them in the file's name.
public struct NameRule: Sendable, Equatable {
  /// As it was given.
  public let text: String

  /// - Throws: `ConfigurationError` that names `option` for what is no such expression.
  public init(_ text: String, option: String) throws(ConfigurationError) {
    self.text = text
    guard text != "folder" else { return }
    do { _ = try Regex(text) } catch {
      throw ConfigurationError(option, is: "\"\(text)\"", rule: "it must be folder, or a regular expression: \(error)")
    }
    // The match of an optional expression has the groups of this one.
    let groups = (try? Regex("(?:\(text))?").firstMatch(in: ""))?.output.count ?? 2
    guard groups == 2 else {
      throw ConfigurationError(
        option, is: "\"\(text)\"",
        rule: "it must have one pair of round brackets around what is wanted, as in ([0-9]+)_.*, not \(groups - 1).")
    }
  }

  /// What the rule finds in a path. - Throws: `DataError` for a name that does not match.
  func value(_ path: String) throws -> String {
    let parts = path.split(separator: "/").map(String.init)
    if text == "folder" {
      guard parts.count > 1 else {
        throw DataError(path, "lies in no folder of the input.", remedy: "Name the folder above it as the input.")
      }
      return parts[parts.count - 2]
    }
    let regex: Regex<AnyRegexOutput> = try Regex(text)
    guard let match = try regex.firstMatch(in: parts.last ?? path), match.output.count > 1,
      let found = match.output[1].substring, !found.isEmpty
    else {
      throw DataError(path, "has a name that \(text) does not match.", remedy: "Change the expression or the name.")
    }
    return String(found)
  }
}
