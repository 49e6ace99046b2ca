import ArgumentParser
import Checkpoints

/// Which checkpoint of a run a command works on; the same for all of them.
struct CheckpointOption: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: "Of a run folder: best, latest, or a step; by default best where the run was validated, else latest.")
  var checkpoint: CheckpointChoice?
}

extension CheckpointChoice: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
