import Collectives
import Configuration
import Core
import Foundation
import Machine
import Runs
import Storage

/// One statement of `lockstep doctor`.
public struct Finding: Codable, Equatable {
  /// A problem stops a run, hangs it, changes its bits or makes it crawl; a warning is worth knowing.
  enum Level: String, Codable { case ok, warning, problem }
  /// What a finding is about: the rank that says so, its host, or the whole job.
  enum Scope: String, Codable { case rank, host, job }
  var level: Level
  var subject: String
  var text: String
  var remedy: String?
  var scope: Scope

  static func ok(_ subject: String, _ text: String) -> Finding {
    Finding(level: .ok, subject: subject, text: text, remedy: nil, scope: .host)
  }

  static func warning(_ subject: String, _ text: String, remedy: String, of scope: Scope = .host) -> Finding {
    Finding(level: .warning, subject: subject, text: text, remedy: remedy, scope: scope)
  }

  static func problem(_ subject: String, _ text: String, remedy: String, of scope: Scope = .host) -> Finding {
    Finding(level: .problem, subject: subject, text: text, remedy: remedy, scope: scope)
  }
}

/// Looks at one thing. All ranks make the same calls; a rank that has nothing to say returns nothing.
protocol DoctorCheck: Sendable {
  func findings(_ job: DoctorJob) throws -> [Finding]
}

/// What checks look at: the ranks, their hosts, and the run where one is named.
public struct DoctorJob {
  /// What the command was given.
  public struct Request {
    public var configuration: String?
    public var settings: [String]
    public var runs: String
    public var threads: Int?

    public init(configuration: String?, settings: [String] = [], runs: String = "runs", threads: Int? = nil) {
      (self.configuration, self.settings, self.runs, self.threads) = (configuration, settings, runs, threads)
    }
  }

  /// A rank and its host, as facts are reported of.
  struct Place: Codable, Equatable {
    var rank: Int
    var host: String
    var localRank: Int
  }

  let communicator: any Communicator
  let place: Place
  /// One per rank.
  let places: [Place]
  let configuration: RunConfiguration?
  /// Path and text of the configuration on this host; the text is nil where it cannot be read.
  let configurationFile: (path: String, text: String?)?
  /// The corpus as this host has it.
  let inputs: Result<RunInputs, any Error>?
  /// What the run needs; nil where no configuration is named or the corpus cannot be opened.
  let plan: RunPlan?
  /// The folder of all run folders.
  let runs: String
  /// Computing threads of this rank.
  let threads: Int
  /// The interfaces a run's MPI would use.
  let interfaces: InterfaceRule

  /// Collective. - Throws: `ConfigurationError` when rank 0 cannot read the configuration.
  public init(_ request: Request, _ communicator: any Communicator, _ interfaces: InterfaceRule) throws {
    self.interfaces = interfaces
    self.communicator = communicator
    place = Place(rank: communicator.rank, host: Self.hostName(), localRank: communicator.localRank)
    places = try Self.gather(place, communicator)
    configurationFile = request.configuration.map { ($0, try? ConfigurationFile.text($0)) }
    if let path = request.configuration {
      let mine = try Job.collectively(communicator) { () throws -> String in
        communicator.rank == 0 ? try ConfigurationFile.text(path) : ""
      }
      let text = String(decoding: try communicator.broadcast([UInt8](mine.utf8)), as: UTF8.self)
      configuration = try Job.collectively(communicator) {
        try RunConfiguration(toml: text, place: path, settings: request.settings)
      }
    } else {
      configuration = nil
    }
    let requested = request.threads ?? configuration?.machine.threads ?? 0
    threads = try Job.collectively(communicator) { try ComputingThreads.count(requested, communicator) }
    inputs = configuration.map { configuration in Result { try CorpusInputs.open(configuration) } }
    if let configuration, case .success(let inputs)? = inputs {
      plan = try? RunPlan(configuration, inputs, ranks: communicator.size, threads: threads)
    } else {
      plan = nil
    }
    runs = configuration?.machine.runs ?? request.runs
  }

  /// One rank of each host reports on it.
  var isHostLeader: Bool { place.localRank == 0 }
  var hostCount: Int { places.count { $0.localRank == 0 } }

  /// A value of every rank, in rank order. Collective.
  func gather<Value: Codable>(_ value: Value) throws -> [Value] { try Self.gather(value, communicator) }

  private static func gather<Value: Codable>(_ value: Value, _ communicator: any Communicator) throws -> [Value] {
    let mine = [UInt8](try JSONEncoder.snakeCase().encode(value))
    let length = try communicator.maximum(mine.count)
    // White space after a value is no part of it.
    let all = try communicator.allGather(mine + [UInt8](repeating: 0x20, count: length - mine.count))
    return try all.map { try JSONDecoder.snakeCase().decode(Value.self, from: Data($0)) }
  }

  /// Hosts of ranks, in words.
  func hosts(_ ranks: [Int]) -> String { shortened(unique(ranks.map { places[$0].host })) }

  /// Ranks with their hosts, in words.
  func names(_ ranks: [Int]) -> String { shortened(ranks.map { "rank \($0) on \(places[$0].host)" }) }

  private func unique(_ names: [String]) -> [String] {
    names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  private func shortened(_ names: [String]) -> String {
    names.count > 6
      ? names[..<5].joined(separator: ", ") + " and \(names.count - 5) more" : names.joined(separator: ", ")
  }

  /// This host's name as the kernel has it; a resolver could take long, or fail.
  public static func hostName() -> String {
    var bytes = [CChar](repeating: 0, count: 256)
    gethostname(&bytes, bytes.count - 1)
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
