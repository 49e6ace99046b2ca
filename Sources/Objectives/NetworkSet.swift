import Core
import Kernels
import Tensors

/// The parameters of an objective: those that are trained, under one layout, and those of networks that follow or stand
/// still.
public struct NetworkSet: Sendable {
  /// How an auxiliary network changes after each step.
  public enum Rule: Sendable, Equatable {
    /// An exponential moving average of the trained parameters of the same names.
    case movingAverage(Momentum)
    /// Never; the weights of a folder, or, without one, drawn from the seed.
    case frozen(FrozenSource?)
  }

  /// A folder that a frozen network's weights are read from: a checkpoint, an export, or a model that transformers
  /// saved.
  public struct FrozenSource: Sendable, Equatable {
    public var path: String
    /// The shape of the network there.
    public var configuration: ModelConfiguration
    /// The key that names the folder, for errors.
    public var key: String

    public init(path: String, configuration: ModelConfiguration, key: String) {
      (self.path, self.configuration, self.key) = (path, configuration, key)
    }
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
    // A frozen network of the trained one's shape must not be its copy.
    for auxiliary in networks.auxiliaries {
      self.auxiliary(auxiliary.name).initialize(seed: seed ^ ParameterStore.key(of: auxiliary.name))
    }
    resetMovingAverages()
  }

  /// Moving averages become copies of the trained parameters, as at the start of a run from given weights.
  public func resetMovingAverages() {
    for auxiliary in networks.auxiliaries {
      guard case .movingAverage = auxiliary.rule else { continue }
      for slice in slices(of: auxiliary) { slice.average.copy(from: slice.source) }
    }
  }

  /// What happens to auxiliary networks after an optimiser step: a function of the parameters alone, so every rank does
  /// the same.
  ///
  /// - Parameter forEach: runs its body for every index below a count, on any threads. Slices are disjoint and every
  ///   element has one result, so threads change no bit.
  public func afterStep(_ context: StepContext, forEach: (Int, @escaping @Sendable (Int) -> Void) -> Void) {
    for auxiliary in networks.auxiliaries {
      guard case .movingAverage(let momentum) = auxiliary.rule else { continue }
      let (slices, decay) = (slices(of: auxiliary), Float(momentum.value(context)))
      forEach(slices.count) { movingAverage(slices[$0].average, toward: slices[$0].source, decay: decay) }
    }
  }

  /// The same on the calling thread.
  public func afterStep(_ context: StepContext) {
    afterStep(context) { count, body in for index in 0..<count { body(index) } }
  }

  private static let sliceFloats = 1 << 16

  /// Pieces of an average with the trained values they follow.
  private func slices(of auxiliary: NetworkSet.Auxiliary) -> [(average: TensorView, source: TensorView)] {
    let store = self.auxiliary(auxiliary.name)
    return store.layout.entries.flatMap { entry in
      guard let source = trained.layout.entry(named: entry.name) else {
        preconditionFailure("the moving average's parameter \(entry.name) is not among the trained ones")
      }
      return stride(from: 0, to: entry.count, by: Self.sliceFloats).map { start in
        let count = min(Self.sliceFloats, entry.count - start)
        func piece(_ all: TensorView) -> TensorView { TensorView(base: all.base + start, rows: 1, columns: count) }
        return (piece(store.view(entry.index)), piece(trained.view(source.index)))
      }
    }
  }
}
