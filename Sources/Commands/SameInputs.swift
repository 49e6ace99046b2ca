import Collectives
import Data
import Evaluation
import Runs
import Storage
import Tensors

extension Job {
  /// Refuses a job whose ranks have other files under one path, as hosts may: the sizes of messages depend on them.
  /// Collective.
  static func requireSameInputs(_ model: MeasuredModel, _ corpus: Corpus?, _ communicator: any Communicator) throws {
    let layout = model.parameters.layout.entries.map { "\($0.name) \($0.spec.shape)" }.joined(separator: "\n")
    let shapes = "\(model.parameters.layout.count) in tensors of digest \(SHA256.of(layout).prefix(12))"
    let content = corpus?.manifest.contentHash ?? "none"
    try requireEqual(
      RankSettings([("the number of the model's parameters", shapes), ("the content of the corpus", content)]),
      communicator)
  }
}
