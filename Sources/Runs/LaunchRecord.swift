import Checkpoints
import Collectives
import Core
import Foundation
import Machine
import Storage

/// What a start leaves in `launches/`: where, when and with what the run went on. Nothing is decided by it.
public struct LaunchRecord: Codable {
  struct Host: Codable, Equatable {
    var name: String
    var ranks: Int
  }

  var step: Int
  var ranks: Int
  var threads: Int
  /// In the order of their first rank.
  var hosts: [Host]
  var time: Double
  var command: [String]
  /// Of the lockstep program.
  var version: String
  var mpi: String
  var processor: Processor
  var arithmetic: Arithmetic
  /// The change of arithmetic that this start was allowed to make.
  var arithmeticBreak: ArithmeticBreak?
  var dataHash: String
  var experimentHash: String
  /// Of all ranks, with the kernels that ran.
  var sgemmGflops: Double
  /// The kernels that ran, and the best ones of rank 0's CPU.
  var kernel: ComputeKernel
  /// Of all ranks, with the best kernels of their CPUs: what shares of the machine's rate are of.
  var bestSgemmGflops: Double

  /// Which kernels compute, and how fast.
  var kernelSentence: String {
    let rate = String(format: "OpenBLAS's %@ kernels, %.0f GFLOP/s over all ranks", kernel.core, sgemmGflops)
    return kernel.isBest
      ? "computing with \(rate)"
      : String(format: "computing with %@; the best of this CPU, %@, give %.0f", rate, kernel.best, bestSgemmGflops)
  }

  func encoded() throws -> [UInt8] {
    [UInt8](try JSONEncoder.snakeCase(pretty: true).encode(self))
  }

  /// The hosts of all ranks. Collective.
  static func hosts(over communicator: any Communicator) throws -> [Host] {
    var name = Array(ProcessInfo.processInfo.hostName.utf8.prefix(255))
    name += [UInt8](repeating: 0, count: 256 - name.count)
    var hosts: [Host] = []
    for bytes in try communicator.allGather(name) {
      let name = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      if let i = hosts.firstIndex(where: { $0.name == name }) {
        hosts[i].ranks += 1
      } else {
        hosts.append(Host(name: name, ranks: 1))
      }
    }
    return hosts
  }

  /// The CPU of the newest start with this arithmetic; nil where no record has it.
  static func processor(of arithmetic: Arithmetic, in folder: RunFolder) -> Processor? {
    /// Only what is asked for, which records of other versions have as well.
    struct Part: Decodable {
      var arithmetic: Arithmetic
      var processor: Processor
    }
    for name in names(in: folder) {
      guard let bytes = bytes(of: name, in: folder),
        let part = try? JSONDecoder.snakeCase().decode(Part.self, from: Data(bytes)),
        part.arithmetic == arithmetic
      else { continue }
      return part.processor
    }
    return nil
  }

  /// Files that hold no JSON object.
  static func unreadable(in folder: RunFolder) -> [String] {
    names(in: folder).filter { name in
      guard let bytes = bytes(of: name, in: folder) else { return true }
      return (try? JSONValue.parse(bytes))?.members == nil
    }.reversed()
  }

  /// Bytes of the largest record that is read: a job of some thousand hosts.
  public static let mostBytes = 1 << 20

  /// Nil for one that cannot be read: records inform, and nothing is decided by them.
  private static func bytes(of name: String, in folder: RunFolder) -> [UInt8]? {
    (try? MappedFile(folder.launchesPath + "/" + name, atMost: mostBytes)).map { $0.withBytes { Array($0) } }
  }

  /// Newest first: names sort as their numbers do, and longer ones are later.
  private static func names(in folder: RunFolder) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.launchesPath)) ?? []
    return names.filter { $0.hasSuffix(".json") }.sorted { ($0.count, $0) > ($1.count, $1) }
  }
}
