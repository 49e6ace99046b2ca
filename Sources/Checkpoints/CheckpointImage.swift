import Core
import Safetensors
import Storage
import Tensors

/// The tensor files of a checkpoint as bytes that are not there yet: a pure function of layout and values, so that
/// every rank can hash a share of them from its own replica.
///
/// Chunks of 4 MiB are numbered over all files, files in the order of their names.
///
/// Invariant: parts are views of the stores in the contents, which `files` keeps alive.
public struct CheckpointImage: Sendable {
  struct File: Sendable {
    let name: String
    let header: [UInt8]
    /// In the order of their bytes.
    let tensors: [NamedTensor]
    /// Where each tensor begins, and last where the file ends.
    let starts: [Int]
    /// Where the file begins among the bytes of all files.
    let offset: Int
    let firstChunk: Int

    var byteCount: Int { starts[tensors.count] }
    var chunkCount: Int { (byteCount + chunkBytes - 1) / chunkBytes }
  }

  let files: [File]
  public let chunkCount: Int
  /// Bytes of all files together.
  public let byteCount: Int

  public init(_ contents: CheckpointContents) {
    var (files, offset, chunk) = ([File](), 0, 0)
    for (name, tensors) in contents.tensorFiles.sorted(by: { $0.key < $1.key }) {
      let sorted = tensors.sorted { $0.name < $1.name }
      let header = SafetensorsWriter.header(of: sorted, format: .float32)
      var starts = [header.count]
      for tensor in sorted { starts.append(starts[starts.count - 1] + 4 * tensor.view.count) }
      let file = File(name: name, header: header, tensors: sorted, starts: starts, offset: offset, firstChunk: chunk)
      files.append(file)
      offset += file.byteCount
      chunk += file.chunkCount
    }
    (self.files, byteCount, chunkCount) = (files, offset, chunk)
  }

  /// The chunks that a rank hashes: equal shares in rank order.
  public func share(of rank: Int, ranks: Int) -> Range<Int> {
    chunkCount * rank / ranks..<chunkCount * (rank + 1) / ranks
  }

  /// SHA-256 of a chunk from the values as they are now, lower-case hexadecimal.
  ///
  /// - Complexity: one pass over 4 MiB.
  public func digest(chunk: Int) -> String {
    var hash = SHA256()
    forEachPart(of: chunk) { hash.update($0) }
    return hash.finish()
  }

  /// Copies a chunk to its place among the bytes of all files.
  func copy(chunk: Int, to target: UnsafeMutableRawPointer) {
    let (file, bytes) = place(of: chunk)
    var next = target + file.offset + bytes.lowerBound
    forEachPart(of: chunk) { part in
      guard let base = part.baseAddress else { return }
      next.copyMemory(from: base, byteCount: part.count)
      next += part.count
    }
  }

  /// The file of a chunk, and its bytes in that file.
  func place(of chunk: Int) -> (file: File, bytes: Range<Int>) {
    precondition(chunk >= 0 && chunk < chunkCount, "chunk \(chunk) of \(chunkCount)")
    let file = files[files.lastIndex { $0.firstChunk <= chunk && $0.chunkCount > 0 } ?? 0]
    let first = (chunk - file.firstChunk) * chunkBytes
    return (file, first..<min(first + chunkBytes, file.byteCount))
  }

  private func forEachPart(of chunk: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
    let (file, bytes) = place(of: chunk)
    defer { withExtendedLifetime(file) {} }
    if bytes.lowerBound < file.header.count {
      file.header.withUnsafeBytes { header in
        body(UnsafeRawBufferPointer(rebasing: header[bytes.clamped(to: 0..<header.count)]))
      }
    }
    var index = Self.last(in: file.starts, notAbove: max(bytes.lowerBound, file.header.count))
    while index < file.tensors.count, file.starts[index] < bytes.upperBound {
      let part = (file.starts[index]..<file.starts[index + 1]).clamped(to: bytes)
      if !part.isEmpty {
        let base = UnsafeRawPointer(file.tensors[index].view.base) + (part.lowerBound - file.starts[index])
        body(UnsafeRawBufferPointer(start: base, count: part.count))
      }
      index += 1
    }
  }

  /// The last index whose value is not above `limit`; values rise.
  private static func last(in values: [Int], notAbove limit: Int) -> Int {
    var (low, high) = (0, values.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if values[middle] <= limit { low = middle } else { high = middle }
    }
    return low
  }
}
