import CheckpointSupport
@testable import Checkpoints
import Core
import Foundation
@testable import Safetensors
import Storage
import Tensors
import Testing

@Suite struct SnapshotTests {
  /// Tensors that begin and end inside chunks, one of several chunks, and one file of less than a chunk.
  private func contents(seed: Float = 0) -> (CheckpointContents, ParameterStore) {
    let parameters = store(
      layout([("c", [3, 900_000]), ("a", [1_048_576]), ("b", [7]), ("d", [2_500_001])]), seed: seed)
    let small = store(layout([("x", [5])]), seed: seed)
    return (
      CheckpointContents(
        tensorFiles: [
          "model.safetensors": NamedTensor.all(of: parameters), "tiny.safetensors": NamedTensor.all(of: small),
        ],
        byteFiles: ["config.json": [1, 2, 3]], state: trainingState(step: 4)),
      parameters
    )
  }

  @Test func chunksHashedApartGiveTheDigestOfTheWrittenFile() throws {
    let scratch = try Scratch()
    let (contents, _) = contents()
    let snapshot = try CheckpointSnapshot(of: contents)
    #expect(snapshot.files.map(\.name) == ["model.safetensors", "tiny.safetensors"])
    for file in snapshot.files {
      let path = scratch.path + "/" + file.name
      let record = try SafetensorsWriter.write(contents.tensorFiles[file.name] ?? [], to: path)
      #expect(file.record == record)
      #expect(try bytes(path).elementsEqual(snapshot.bytes(of: file)))
    }
  }

  private func bytes(_ path: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(fileURLWithPath: path))) }

  @Test(arguments: [1, 2, 3, 7, 40]) func sharesCoverEveryChunkOnceInRankOrder(ranks: Int) {
    let image = CheckpointImage(contents().0)
    let shares = (0..<ranks).flatMap { Array(image.share(of: $0, ranks: ranks)) }
    #expect(shares == Array(0..<image.chunkCount))
    #expect(image.chunkCount > 6)
  }

  @Test func whatChangesAfterTheSnapshotIsNotSaved() throws {
    let scratch = try Scratch()
    let runs = [RunFolder(scratch.path + "/a"), RunFolder(scratch.path + "/b")]
    for run in runs { try run.prepare() }
    let (contents, parameters) = contents()
    try runs[0].commit(contents)
    let snapshot = try CheckpointSnapshot(of: contents)
    parameters.all.fill(0)
    try runs[1].commit(snapshot)
    #expect(try tree(runs[0].path) == tree(runs[1].path))
    #expect(try runs[1].newestIntact().checkpoint?.step == 4)
  }

  @Test func theMemoryIsUsedAgain() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    let snapshot = CheckpointSnapshot()
    for (step, size) in [(1, 400), (2, 5), (3, 3_000_000)] {
      let contents = checkpoint(step: step, seed: Float(step), size: size)
      let image = CheckpointImage(contents)
      try snapshot.begin(image)
      for chunk in 0..<image.chunkCount { snapshot.copy(chunk: chunk, of: image) }
      snapshot.finish(image, digests: (0..<image.chunkCount).map { image.digest(chunk: $0) }, contents)
      try run.commit(snapshot)
    }
    for step in 1...3 { #expect(try run.checkpoint(step: step).step == step) }
  }

  @Test func aRankWithOtherBytesIsNamedAndNothingIsSaved() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    try commit(run, step: 1)
    let before = try tree(run.path)
    let (mine, _) = contents()
    let (others, _) = contents(seed: 0.5)
    let image = CheckpointImage(mine)
    let snapshot = CheckpointSnapshot()
    try snapshot.begin(image)
    for chunk in 0..<image.chunkCount { snapshot.copy(chunk: chunk, of: image) }
    let foreign = CheckpointImage(others)
    let share = image.share(of: 2, ranks: 3)
    let digests = (0..<image.chunkCount).map {
      share.contains($0) ? foreign.digest(chunk: $0) : image.digest(chunk: $0)
    }
    snapshot.finish(image, digests: digests, mine, ranks: 3)
    let error = #expect(throws: CheckpointError.self) { try run.commit(snapshot) }
    #expect(error?.exitCode == .diverged)
    #expect(error?.problem == "rank 2 and rank 0 hold other bytes of model.safetensors")
    #expect(try tree(run.path) == before)
  }

  @Test func theWriterGivesOneResultForOnePieceOfWork() throws {
    let writer = WriterThread()
    #expect(writer.isFree && writer.take() == nil)
    for text in ["first", "second"] {
      writer.start { [text] }
      #expect(!writer.isFree)
      #expect(try wait(writer).get() == [text])
      #expect(writer.isFree && writer.take() == nil)
    }
    writer.start { throw CheckpointError("write", "x", "no") }
    #expect(throws: CheckpointError.self) { try wait(writer).get() }
  }

  private func wait(_ writer: WriterThread) -> WriterThread.Outcome {
    while true {
      if let outcome = writer.take() { return outcome }
      usleep(1000)
    }
  }
}
