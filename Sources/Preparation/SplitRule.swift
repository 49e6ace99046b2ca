import Core
import Data
import Storage

/// How documents are divided between training and validation.
public enum SplitRule: Sendable, Equatable {
  /// By the content of each document, so that equal documents land on the same side.
  case byDocumentHash(fraction: Double)
  /// The last share of all text, cut between two characters; for a corpus of few documents.
  case tail(fraction: Double)
  /// By hash from 20 documents on, else the tail.
  case automatic(fraction: Double)

  public static let documentsForHash = 20

  public var fraction: Double {
    switch self {
    case .byDocumentHash(let fraction), .tail(let fraction), .automatic(let fraction): fraction
    }
  }

  var name: String {
    switch self {
    case .byDocumentHash(let fraction): "document-hash \(fraction)"
    case .tail(let fraction): "tail \(fraction)"
    case .automatic(let fraction): "automatic \(fraction)"
    }
  }
}

/// A split rule that knows the corpus: it says for each document, or part of one, where it goes.
struct SplitDecision: Sendable {
  enum Kind: Sendable, Equatable {
    case hash
    /// Text before this byte of all text is for training. `batchStarts` has the text before each batch.
    case tail(cut: Int, batchStarts: [Int])
  }

  let kind: Kind
  let fraction: Double

  var manifestEntry: CorpusManifest.Split {
    .init(rule: kind == .hash ? "document-hash" : "tail", fraction: fraction)
  }

  /// The text of a batch's documents before it; 0 when the rule does not need it.
  func start(ofBatch index: Int) -> Int {
    if case .tail(_, let starts) = kind { return starts[index] }
    return 0
  }

  /// Cuts a document into its parts for training and for validation; one of them is empty unless the tail begins
  /// inside.
  ///
  /// - Parameter start: bytes of text before the document.
  func parts(_ text: UnsafeBufferPointer<UInt8>, start: Int) -> (train: Range<Int>, validation: Range<Int>) {
    let cut = trainingBytes(text, start: start)
    return (0..<cut, cut..<text.count)
  }

  private func trainingBytes(_ text: UnsafeBufferPointer<UInt8>, start: Int) -> Int {
    switch kind {
    case .hash: Self.isValidation(text, fraction: fraction) ? 0 : text.count
    case .tail(let cut, _): Self.characterStart(text, min(max(cut - start, 0), text.count))
    }
  }

  /// The first 52 bits of a SHA-256 keyed by its prefix, as a number in [0, 1), against the share.
  private static func isValidation(_ text: UnsafeBufferPointer<UInt8>, fraction: Double) -> Bool {
    if fraction <= 0 { return false }
    var hash = SHA256()
    hash.update("lockstep validation split\n")
    hash.update(UnsafeRawBufferPointer(text))
    let bits = hash.finish().utf8.prefix(13).reduce(0 as UInt64) { bits, digit in
      bits << 4 | UInt64(digit >= UInt8(ascii: "a") ? digit - UInt8(ascii: "a") + 10 : digit - UInt8(ascii: "0"))
    }
    return Double(bits) * 0x1p-52 < fraction
  }

  /// The last start of a character at or before `offset`; bytes that are not UTF-8 are characters of their own.
  private static func characterStart(_ text: UnsafeBufferPointer<UInt8>, _ offset: Int) -> Int {
    var start = offset
    while start > 0, start < text.count, offset - start < 3, text[start] & 0xC0 == 0x80 { start -= 1 }
    let isContinuation = start < text.count && text[start] & 0xC0 == 0x80
    return isContinuation ? offset : start
  }
}
