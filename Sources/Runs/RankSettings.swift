import Collectives
import Configuration
import Core
import Foundation
import Storage

/// Settings that must be the same on every rank, compared before any memory or message depends on them: ranks of one
/// job can be started with different lines, and would train together on different terms, or wait for each other for
/// ever.
public struct RankSettings: Sendable {
  /// A key such as `objective.maskRatio`, or an option such as `--steps`, and its value as a person writes it.
  public let values: [(key: String, value: String)]

  public init(_ values: [(key: String, value: String)]) { self.values = values }

  /// All keys of a configuration, but the computing threads, of which hosts may have different numbers: no bit depends
  /// on them.
  public init(_ configuration: RunConfiguration) {
    self.init(configuration.values.filter { $0.key != "machine.threads" }.map { ($0.key, $0.text) })
  }

  /// Collective; no message's size depends on what is compared but those that say how long they are.
  ///
  /// - Throws: `ConfigurationError` on every rank alike, which names each key with its value on rank 0 and on the first
  ///   rank that has another.
  public func requireEqual(over communicator: any Communicator) throws {
    guard communicator.size > 1 else { return }
    let first = Self.decode(try communicator.broadcast(encoded))
    let problems = problems(against: first, rank: communicator.rank)
    var lowest = [Int64(problems.isEmpty ? communicator.size : communicator.rank)]
    try communicator.allReduce(&lowest, .minimum)
    guard lowest[0] < communicator.size else { return }
    let received = try communicator.broadcast(RankSettings(problems).encoded, from: Int(lowest[0]))
    throw ConfigurationError(problems: Self.decode(received).map { .init(key: $0.key, sentence: $0.value) })
  }

  /// A sentence for each of the first few keys that differ.
  func problems(against first: [(key: String, value: String)], rank: Int) -> [(key: String, value: String)] {
    /// Values by key; several of one key in their order.
    func table(_ values: [(key: String, value: String)]) -> [String: String] {
      Dictionary(values.map { ($0.key, $0.value) }) { "\($0) and \($1)" }
    }
    let (mine, there) = (table(values), table(first))
    let keys = first.map(\.key) + values.map(\.key).filter { there[$0] == nil }
    var seen = Set<String>()
    let different = keys.filter { mine[$0] != there[$0] && seen.insert($0).inserted }
    func text(_ value: String?) -> String { value.map { $0.isEmpty ? "given" : $0 } ?? "not given" }
    let place = "rank \(rank) (\(ProcessInfo.processInfo.hostName))"
    return different.prefix(4).map { key in
      (key, "is \(text(there[key])) on rank 0 and \(text(mine[key])) on \(place); give every rank of a job the same.")
    }
  }

  private var encoded: [UInt8] {
    Array(JSONValue.array(values.map { .array([.string($0.key), .string($0.value)]) }).compact.utf8)
  }

  private static func decode(_ bytes: [UInt8]) -> [(key: String, value: String)] {
    ((try? JSONValue.parse(bytes))?.array ?? []).compactMap { pair in
      guard let pair = pair.array, pair.count == 2, let key = pair[0].string, let value = pair[1].string else {
        return nil
      }
      return (key, value)
    }
  }
}

extension RankSettings {
  /// The line that a rank was started with, option by option.
  ///
  /// - Parameters:
  ///   - arguments: without the program.
  ///   - ignoring: options with one value that are left out, because ranks may differ in them or they are compared as
  ///     what they come to.
  public init(commandLine arguments: some Sequence<String>, ignoring: Set<String>) {
    var (words, values) = ([String](), [(key: String, value: String)]())
    var option: String?
    func close(_ value: String) {
      if let name = option, !ignoring.contains(name) { values.append((name, value)) }
      option = nil
    }
    for argument in arguments {
      guard argument.hasPrefix("-"), argument != "-" else {
        if option == nil { words.append(argument) } else { close(argument) }
        continue
      }
      close("")
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      option = String(parts[0])
      if parts.count == 2 { close(String(parts[1])) }
    }
    close("")
    self.init([("the command", words.joined(separator: " "))] + values)
  }
}
