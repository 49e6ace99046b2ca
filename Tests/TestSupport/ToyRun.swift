import Core
import Objectives

/// The toys as a trainer takes them: an objective, its shape and its samples, by name.
public struct ToyRun: Sendable {
  public let name: String
  public let model: ModelConfiguration
  public let source: any SampleSource
  public let objective: any Objective

  private init<O: ReferencedObjective>(_: O.Type) throws(ConfigurationError) {
    name = O.name
    model = O.checkModel()
    source = O.checkSource(model)
    objective = try O(O.Options(), model: model, data: O.checkData(model))
  }

  /// One of each kind of objective that the project's own do not cover.
  public static func all() throws(ConfigurationError) -> [ToyRun] {
    [
      try ToyRun(ToyTeacher.self), try ToyRun(ToyTwoTerms.self), try ToyRun(ToyPatches.self),
      try ToyRun(ToySeries.self),
      try ToyRun(ToyContrastive.self), try ToyRun(ToyCodebook.self),
    ]
  }
}
