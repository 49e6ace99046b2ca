import Core
import Kernels
import Tensors

/// The parameters of an objective: those that are trained, under one layout, and those of networks that follow or stand still.
public struct NetworkSet: Sendable {
  /// How an auxiliary network changes after each step.
  public enum Rule: Sendable, Equatable {
    /// θ' ← μ·θ' + (1-μ)·θ toward the trained parameters of the same names, μ going linearly from `start` to `end` over the run.
    case movingAverage(start: Double, end: Double)
    /// Never.
    case frozen
  }

  public struct Auxiliary: Sendable {
    public let name: String
    public let layout: ParameterLayout
    public let rule: Rule

    public init(_ name: String, _ layout: ParameterLayout, _ rule: Rule) {
      (self.name, self.layout, self.rule) = (name, layout, rule)
    }
  }

  public let trained: ParameterLayout
  public let auxiliaries: [Auxiliary]
  /// How often a micro-batch runs backward through the trained networks: 2 for two views of a sample.
  public let passes: Int

  public init(trained: ParameterLayout, auxiliaries: [Auxiliary] = [], passes: Int = 1) {
    self.trained = trained
    self.auxiliaries = auxiliaries
    self.passes = passes
  }
}

/// The values of a `NetworkSet`: one replica of a rank.
public final class ParameterSet: Sendable {
  public let networks: NetworkSet
  public let trained: ParameterStore
  private let stores: [String: ParameterStore]

  public init(_ networks: NetworkSet) {
    self.networks = networks
    trained = ParameterStore(networks.trained)
    stores = Dictionary(uniqueKeysWithValues: networks.auxiliaries.map { ($0.name, ParameterStore($0.layout)) })
  }

  public func auxiliary(_ name: String) -> ParameterStore {
    guard let store = stores[name] else { preconditionFailure("there is no auxiliary network \(name)") }
    return store
  }

  /// First values: drawn by each parameter's initialiser; moving averages start as copies.
  public func initialize(seed: UInt64) {
    trained.initialize(seed: seed)
    for auxiliary in networks.auxiliaries { self.auxiliary(auxiliary.name).initialize(seed: seed) }
    resetMovingAverages()
  }

  /// Moving averages become copies of the trained parameters, as at the start of a run from given weights.
  public func resetMovingAverages() {
    for auxiliary in networks.auxiliaries where auxiliary.rule != .frozen {
      updateMovingAverage(self.auxiliary(auxiliary.name)) { $0.copy(from: $1) }
    }
  }

  /// What happens to auxiliary networks after an optimiser step; a function of the parameters alone, so every rank does the same.
  public func afterStep(_ context: StepContext) {
    for auxiliary in networks.auxiliaries {
      guard case .movingAverage(let start, let end) = auxiliary.rule else { continue }
      let decay = Float(start + (end - start) * context.progress)
      updateMovingAverage(self.auxiliary(auxiliary.name)) { movingAverage($0, toward: $1, decay: decay) }
    }
  }

  private func updateMovingAverage(_ store: ParameterStore, _ body: (TensorView, TensorView) -> Void) {
    for entry in store.layout.entries {
      guard let source = trained.layout.entry(named: entry.name) else {
        preconditionFailure("the moving average's parameter \(entry.name) is not among the trained ones")
      }
      body(store.view(entry.index), trained.view(source.index))
    }
  }
}
