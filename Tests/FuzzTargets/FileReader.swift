import Core
import Storage

/// One way in which bytes nobody vouches for come into the program.
///
/// A reader must end with a value or with a `LockstepError` that names the file, whatever the bytes are: no trap, no
/// read outside them, no memory or time out of proportion to them.
public struct FileReader: Sendable {
  public let name: String
  /// Makes digests inside the file right, so that what lies behind them is reached.
  let updateChecksum: @Sendable ([UInt8]) -> [UInt8]
  /// What an error must name: a part of the file's path or of what stands for it.
  let place: String
  let read: @Sendable ([UInt8], ScratchFolder) throws -> Void

  init(
    _ name: String, place: String, updateChecksum: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 },
    read: @escaping @Sendable ([UInt8], ScratchFolder) throws -> Void
  ) {
    (self.name, self.place, self.updateChecksum, self.read) = (name, place, updateChecksum, read)
  }

  /// More than this is not a sentence for a person.
  static let longestSentence = 2_000

  /// Reads `bytes`. - Returns: what is wrong with the refusal, nil when there is none or it is as it should be.
  public func complaint(about bytes: [UInt8], in scratch: ScratchFolder) -> String? {
    do {
      try read(updateChecksum(bytes), scratch)
      return nil
    } catch let error as any LockstepError {
      let text = error.description
      if error.exitCode == .failed { return "refused as a fault of Lockstep itself: \(text.prefix(300))" }
      if text.utf8.count > Self.longestSentence {
        return "refused with \(text.utf8.count) bytes of text: \(text.prefix(300))"
      }
      if !text.contains(place) { return "refused without naming \(place): \(text.prefix(300))" }
      return nil
    } catch let error as Violation {
      return error.sentence
    } catch {
      return "refused with \(type(of: error)), which is no LockstepError: \("\(error)".prefix(300))"
    }
  }

  /// Reads bytes that are sound.
  ///
  /// - Throws: what the reader refuses them with.
  public func accept(_ bytes: [UInt8], in scratch: ScratchFolder) throws { try read(updateChecksum(bytes), scratch) }

  /// Every reader of the project.
  public static let all: [FileReader] =
    checkpointReaders + importReaders + corpusReaders + numberReaders + documentReaders + tokenizerReaders + runReaders
}

/// A reader did with its bytes what it must not do.
struct Violation: Error { let sentence: String }

func demand(_ holds: Bool, _ sentence: String) throws {
  if !holds { throw Violation(sentence: sentence) }
}
