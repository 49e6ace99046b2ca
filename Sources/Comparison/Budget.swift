import Configuration
import Core
import Data
import Foundation
import Objectives
import Runs
import Storage

/// What an arm does with its budget.
public struct ArmPlan: Codable, Sendable, Equatable {
  public var arm: String
  public var objective: String
  public var steps: Int
  /// Over the whole run, expected from the first steps.
  public var tokens: Double
  /// Of records of numbers, positions and what they are; nil for text.
  public var unit: String?
  public var predictions: Double
  public var flops: Double
  public var parameters: Int
  public var epochs: Double
  /// Identifies the loss: losses of arms with equal identities compare.
  public var lossIdentity: String
  /// Digest of its tokeniser: figures by the token compare only where it is the same.
  public var tokenizer: String
}

extension ComparisonFile {
  /// How many steps the budget gives an arm, and what that is in the other units.
  ///
  /// Predictions a step are the mean over its first steps as seed 1 sees them: a function of the configuration and the
  /// data.
  /// - Throws: errors of the corpus, and `ConfigurationError` when the budget is less than one step.
  public func plan(_ arm: Arm) throws -> ArmPlan {
    do { return try planned(arm) } catch let error as ConfigurationError {
      // What only the corpus or the objective can refuse comes without the arm's name.
      throw ConfigurationError(
        problems: error.problems.map {
          $0.key.hasPrefix("budget") ? $0 : .init(key: "arms.\(arm.name).\($0.key)", sentence: $0.sentence)
        })
    }
  }

  private func planned(_ arm: Arm) throws -> ArmPlan {
    let probe = try arm.configuration(seeds[0], 1)
    let inputs = try CorpusInputs.open(probe)
    let run = try RunPlan(probe, inputs, ranks: 1, threads: 1)
    let sampled = 8
    let (rows, flops, epochs) = try RunPlan.work(probe, inputs, steps: sampled)
    let positions = inputs.data.grid?.positions ?? probe.model.maxPosition
    let perStep = (
      tokens: Double(probe.batch * positions), predictions: rows / Double(sampled),
      flops: flops / Double(sampled)
    )
    let exact =
      switch budget.unit {
      case .steps: budget.amount
      case .tokens: budget.amount / perStep.tokens
      case .predictions: budget.amount / max(perStep.predictions, 1e-9)
      case .flops: budget.amount / max(perStep.flops, 1)
      }
    guard exact >= 0.5, exact < 1e8 else {
      throw ConfigurationError(
        "budget.\(budget.unit.rawValue)", is: budget.amount,
        rule:
          "for arm \(arm.name) that makes \(exact < 1 ? "less than one step" : "more than 100,000,000 steps") of \(perStep.tokens) \(inputs.data.unit.rawValue), \(perStep.predictions) predictions and \(perStep.flops) flops."
      )
    }
    let steps = Int(exact.rounded())
    return ArmPlan(
      arm: arm.name, objective: probe.objective, steps: steps, tokens: Double(steps) * perStep.tokens,
      unit: inputs.data.grid == nil ? nil : inputs.data.unit.rawValue,
      predictions: Double(steps) * perStep.predictions, flops: Double(steps) * perStep.flops,
      parameters: run.parameters,
      epochs: epochs * Double(steps) / Double(sampled), lossIdentity: try lossIdentity(probe, inputs.dataHash),
      tokenizer: try Corpus(probe.data.corpus).manifest.tokenizerSha256)
  }

  /// The objective with its options and the data it is evaluated on.
  private func lossIdentity(_ run: RunConfiguration, _ dataHash: String) throws -> String {
    let options = String(decoding: try JSONEncoder.snakeCase().encode(run.objectiveOptions), as: UTF8.self)
    return "\(run.objective) \(options) on \(dataHash.prefix(12))"
  }
}
