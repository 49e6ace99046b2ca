import Core
import Layers
import Models
import Objectives
import Tensors

/// Where the first term's loss, or a gradient of a parameter that both objectives have, differs between an objective
/// and a simpler one that it must be identical with under some options. Parameters get equal values by name; scales are
/// λ / count. Empty where all bits agree.
public func sameGradients(
  _ objective: any ReferencedObjective, _ simpler: any ReferencedObjective, _ clean: SampleBatch, _ context: StepContext
) -> [String] {
  let runs = [objective, simpler].map { ObjectiveRun($0, samples: clean.count, length: clean.length, seed: 7) }
  for entry in simpler.networks.trained.entries {
    guard let other = objective.networks.trained.entry(named: entry.name) else { return ["\(entry.name) is missing"] }
    runs[0].parameters.trained.view(other.index).copy(from: runs[1].parameters.trained.view(entry.index))
  }
  let results = runs.map { run in
    let example = run.objective.corrupt(clean, context)
    return run.run(example, scales: run.scales(example), dropout: true)
  }
  var faults = results[0].losses[0] == results[1].losses[0] ? [] : ["losses are \(results.map(\.losses))"]
  for entry in simpler.networks.trained.entries {
    guard let other = objective.networks.trained.entry(named: entry.name) else { continue }
    if results[0].sink.gradients[other.range] != results[1].sink.gradients[entry.range] {
      faults.append("gradients of \(entry.name) differ")
    }
  }
  return faults
}

extension ObjectiveRun {
  /// The difficulty of every position by the teacher of `hpm`, in double precision.
  public func teacherDifficulty(_ hpm: HPM, _ clean: SampleBatch) -> [Double] {
    let (store, autoencoder) = (parameters.auxiliary("teacher"), hpm.reconstruction.autoencoder)
    let scope = Scope(Tape(recording: false), store.layout, store.all.array.map(Double.init))
    let model = hpm.encoder.configuration
    let whole = clean.patches(model)
    var read = whole
    read.learned = []
    let hidden = scope.hidden(
      prefix: "difficulty.", read, autoencoder.decoder.configuration, rows: scope.hidden(whole, model))
    let rows = (0..<clean.count * clean.length).map {
      $0 / clean.length * whole.length + model.leadingRows + $0 % clean.length
    }
    return scope.linear("difficulty.output", hidden.taking(rows: rows), inputMajor: false).data
  }

  /// What the objective predicts for an example, from fresh memory full of NaNs.
  public func predictions(_ example: TrainingExample) -> ValuePredictions? {
    let (arena, workspace) = Arena.sized { objective.workspace(samples: samples, length: length, $0) }
    arena.fill(.nan)
    return withExtendedLifetime(arena) {
      objective.predictions(example, ObjectivePass(parameters, sink: nil, dropout: nil), workspace)
    }
  }

  /// The final states of an auxiliary network of the main network's shape.
  public func auxiliaryHidden(_ name: String, _ input: SequenceInput) -> [Double] {
    let store = parameters.auxiliary(name)
    let scope = Scope(Tape(recording: false), store.layout, store.all.array.map(Double.init))
    return scope.hidden(input, objective.encoder.configuration).data
  }

  /// Gives an auxiliary network the values of the trained parameters of the same names.
  public func copyTrained(to name: String) {
    let store = parameters.auxiliary(name)
    for entry in store.layout.entries {
      guard let own = parameters.trained.layout.entry(named: entry.name) else { continue }
      store.view(entry.index).copy(from: parameters.trained.view(own.index))
    }
  }
}
