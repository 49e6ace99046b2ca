import Audit
import Checkpoints
import Configuration
import Core
import Data
import Foundation
import Runs

/// What a run folder holds: its checkpoints, and the proof that every sample was used once.
struct RunInspection: Encodable {
  let summary: RunSummary
  let kernels: [RecordedKernel.Stretch]
  /// nil where there is no configuration to compute the samples from.
  let samples: SampleProof?
  /// Why tokens were not compared.
  let note: String?
  /// What is wrong with the configuration in the folder; nil for nothing.
  let configurationProblem: String?

  /// - Parameters:
  ///   - corpus: where the corpus is now; nil for the place in the configuration.
  ///   - quick: leave the tokens out.
  init(_ path: String, corpus: String?, quick: Bool) throws {
    let folder = RunFolder(path)
    summary = try RunSummary(of: folder)
    kernels = RecordedKernel.history(in: folder)
    guard let text = try folder.configuration() else {
      (samples, note, configurationProblem) = (nil, "samples: there is no config.toml to compute them from", nil)
      return
    }
    var configuration: RunConfiguration
    do { configuration = try RunConfiguration(toml: text, place: folder.configurationPath) } catch {
      let problem = error.description.split(separator: "\n").joined(separator: " ")
      configurationProblem = problem
      (samples, note) = (
        nil, "samples: config.toml is DAMAGED: \(problem) lockstep train with the same configuration writes it again"
      )
      return
    }
    configurationProblem = nil
    if let corpus { configuration.data.corpus = corpus }
    var reason: String?
    samples = try SampleProof(folder, configuration) {
      if quick { return nil }
      do {
        return try ExpectedTokens.read(configuration, wanted: Self.dataHash(folder))
      } catch let error as any LockstepError where corpus == nil {
        // The positions can be proven without the corpus, which may have moved.
        reason = error.description
        return nil
      }
    }
    note = samples?.holds == nil ? nil : reason.map { "  tokens were not compared: \($0)" }
  }

  /// Of the newest checkpoint that has one.
  private static func dataHash(_ folder: RunFolder) throws -> String? {
    try folder.steps().reversed().lazy.compactMap {
      try? Checkpoint(opening: folder.checkpointPath(step: $0)).state.dataHash
    }
    .first { !$0.isEmpty }
  }

  var isIntact: Bool {
    configurationProblem == nil && summary.problems.isEmpty && summary.checkpoints.allSatisfy(\.isIntact)
      && samples?.holds != false && samples?.failures.isEmpty != false
  }
  var lines: [String] {
    summary.lines + (RecordedKernel.line(kernels).map { ["  \($0)"] } ?? []) + (samples?.lines ?? [])
      + (note.map { [$0] } ?? [])
  }

  private enum Key: String, CodingKey { case kernels, samples, configurationProblem }

  func encode(to encoder: any Encoder) throws {
    try summary.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(kernels, forKey: .kernels)
    try container.encodeIfPresent(samples, forKey: .samples)
    try container.encodeIfPresent(configurationProblem, forKey: .configurationProblem)
  }
}

/// The tokens of a run's training split.
enum ExpectedTokens {
  /// - Throws: `DataError` when the corpus is not there, or is another than the run was trained on.
  static func read(_ configuration: RunConfiguration, wanted: String?) throws -> [UInt64] {
    let corpus = try Corpus(configuration.data.corpus)
    guard wanted == nil || corpus.manifest.contentHash == wanted else {
      throw DataError(
        configuration.data.corpus, "holds other data than the run was trained on.",
        remedy: "Name the corpus with --corpus.")
    }
    return try SampleProof.tokenDigests(CorpusInputs.training(corpus, configuration, order: .sequential))
  }
}
