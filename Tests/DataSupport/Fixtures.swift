import Core
import Data
import Foundation
import Preparation
import Storage
import Testing
import Tokenizers

/// Bytes are their own ids, except that "ab" is the one id 256; special ids follow.
public struct PairTokenizer: Tokenizer {
  public var specialSpellings: [[UInt8]] { [] }
  public func addingSpecials(_ wanted: [SpecialRole]) -> PairTokenizer { self }

  public static let pair: Int32 = 256
  public let vocabulary: Vocabulary

  public init(size: Int = 261, hasEnd: Bool = true) {
    vocabulary = Vocabulary(size: size, pad: 260, eos: hasEnd ? 257 : nil, cls: 258, sep: hasEnd ? 259 : nil)
  }

  public func encode(_ text: UnsafeBufferPointer<UInt8>, specialIsText: Bool, into ids: inout [Int32]) {
    var index = 0
    while index < text.count {
      let isPair = text[index] == 97 && index + 1 < text.count && text[index + 1] == 98
      ids.append(isPair ? Self.pair : Int32(text[index]))
      index += isPair ? 2 : 1
    }
  }

  public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> [UInt8] {
    ids.flatMap { $0 < 256 ? [UInt8($0)] : $0 == Self.pair ? [97, 98] : [] }
  }

  public func token(_ id: Int32) -> String? { nil }
  public func addingSpecials<Role>(_ wanted: [Role]) -> Self { self }
  public func tokenizerJSON() -> [UInt8] { Array("{\"size\": \(vocabulary.size)}".utf8) }
  public func tokenizerConfigJSON(maximumLength: Int) -> [UInt8] {
    Array("{\"model_max_length\": \(maximumLength)}".utf8)
  }
}

/// A folder that is removed with the value.
public final class TemporaryFolder {
  public let path: String

  public init() throws {
    path = NSTemporaryDirectory() + "/lockstep-data-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, with its folders, and gives its path.
  @discardableResult
  public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try AtomicFile.write(bytes, to: file)
    return file
  }

  @discardableResult
  public func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }

  public func read(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
  }

  /// The names and bytes of all files in a folder.
  public func contents(_ name: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for entry in try FileManager.default.contentsOfDirectory(atPath: path + "/" + name) {
      files[entry] = try read(name + "/" + entry)
    }
    return files
  }
}

extension TemporaryFolder {
  /// Prepares `inputs` (paths in this folder) into `target` and gives the corpus.
  @discardableResult
  public func prepare(
    _ inputs: [String], into target: String = "corpus", tokenizer: any Tokenizer = PairTokenizer(),
    _ options: PreparationOptions = PreparationOptions(threads: 2)
  ) throws -> Corpus {
    let preparation = CorpusPreparation(
      inputs: inputs.map { path + "/" + $0 }, target: path + "/" + target, tokenizer: .ready(tokenizer),
      options: options)
    _ = try preparation.run()
    return try Corpus(path + "/" + target)
  }

  /// The sentence of the error that preparing throws, without this folder's path.
  public func problem(
    _ inputs: [String], into target: String = "corpus", _ options: PreparationOptions = PreparationOptions(threads: 2)
  ) -> String {
    do {
      _ = try prepare(inputs, into: target, options)
      return "no error"
    } catch {
      return "\(error)".replacingOccurrences(of: path + "/", with: "")
    }
  }
}

extension Corpus {
  /// The texts of all documents of a side.
  public func texts(_ split: CorpusSplit, _ tokenizer: any Tokenizer = PairTokenizer()) throws -> [String] {
    try shards(split).flatMap { shard in
      (0..<shard.documentCount).map {
        String(decoding: tokenizer.decode(shard.document($0), skipSpecial: true), as: UTF8.self)
      }
    }
  }

  public func allTexts() throws -> Set<String> { Set(try texts(.train) + texts(.validation)) }
}

/// Documents of different lengths, with pairs, empty lines and characters of several bytes.
public func someDocuments(_ count: Int) -> [String] {
  (0..<count).map { number in
    "document \(number) ab " + String(repeating: "abé☃ \(number % 7)\n", count: number % 11) + "end \(number)"
  }
}

public func sentence(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch {
    return "\(error)"
  }
}
