import Core
import Objectives
import Tensors

/// Everything an objective must hold to be registered, on a small model and samples of its own.
///
/// - Parameters:
///   - options: in place of the defaults.
///   - model: in place of the objective's own choice.
/// - Returns: what is wrong, one sentence each; empty when the objective is right.
public func checkObjective(
  _ entry: ObjectiveEntry, options: (any ObjectiveOptions)? = nil, model: ModelConfiguration? = nil,
  source: (any SampleSource)? = nil, seed: UInt64 = 1
) -> [String] {
  guard let type = entry.type as? any ReferencedObjective.Type else {
    return ["\(entry.name) has no reference: make it a ReferencedObjective in TestSupport"]
  }
  do {
    return try ObjectiveCheck(entry, type, options: options, model: model, source: source, seed: seed).faults().map {
      "\(entry.name): \($0)"
    }
  } catch {
    return ["\(entry.name): \(error)"]
  }
}

/// One objective under check.
struct ObjectiveCheck {
  let entry: ObjectiveEntry
  let type: any ReferencedObjective.Type
  let options: any ObjectiveOptions
  let model: ModelConfiguration
  let source: any SampleSource
  let vocabulary = ToyTokens.vocabulary
  let seed: UInt64
  /// Some steps into a run, so that a context that is ignored or misread shows.
  let context: StepContext

  init(
    _ entry: ObjectiveEntry, _ type: any ReferencedObjective.Type, options: (any ObjectiveOptions)?,
    model: ModelConfiguration?, source: (any SampleSource)?, seed: UInt64
  ) {
    self.options = options ?? entry.defaultOptions
    (self.entry, self.type, self.seed) = (entry, type, seed)
    self.model = model ?? type.checkModel()
    self.source = source ?? type.checkSource(self.model)
    context = StepContext(seed: seed, step: 3, steps: 10)
  }

  func faults() throws -> [String] {
    var faults: [String] = []
    faults += try corruptionFaults()
    faults += try countFaults()
    faults += try specialFaults()
    faults += try leakFaults()
    faults += try lateFaults()
    faults += try weightFaults()
    faults += try gradientFaults()
    faults += try trivialFaults()
    faults += try optionFaults()
    faults += try overfitFaults()
    return faults
  }

  func make(_ model: ModelConfiguration? = nil, options: (any ObjectiveOptions)? = nil) throws(ConfigurationError)
    -> any ReferencedObjective
  {
    let objective = try entry.make(options ?? self.options, model ?? self.model, type.checkData(self.model))
    guard let referenced = objective as? any ReferencedObjective else {
      preconditionFailure("\(entry.name) made another type")
    }
    return referenced
  }

  func samples(_ count: Int, from start: UInt64 = 5) throws -> SampleBatch {
    try source.samples(at: start..<start + UInt64(count))
  }

  func run(_ count: Int, _ model: ModelConfiguration? = nil) throws -> ObjectiveRun {
    ObjectiveRun(try make(model), samples: count, length: self.model.maxPosition, seed: seed)
  }
}
