import Commands
import Foundation
import Objectives
import Safetensors
import Tensors
import TestSupport

/// `lockstep` with the toys as objectives, for scripts/check-seam; `ToyCommand write-values FILE` writes records that
/// they can be trained on.
@main
enum Main {
  static func main() throws {
    let arguments = CommandLine.arguments
    if arguments.count == 3, arguments[1] == "write-values" { return try writeValues(to: arguments[2]) }
    LockstepCommand.main(objectives: [
      ObjectiveEntry(ToyPatches.self), ObjectiveEntry(ToySeries.self), ObjectiveEntry(ToyTeacher.self),
      ObjectiveEntry(ToyContrastive.self),
      ObjectiveEntry(ToyCodebook.self),
    ])
  }

  /// 64 records [1, 4, 6] of which about a fifth of the numbers was not measured.
  private static func writeValues(to path: String) throws {
    var layout = ParameterLayout()
    for name in ["values", "observed"] { layout.append(ParameterSpec(name, [64, 24], decay: false, .zeros)) }
    let store = ParameterStore(layout)
    let (values, observed) = (store.view(0), store.view(1))
    for i in 0..<values.count {
      let (record, place) = (UInt64(i / 24), i % 24)
      values.base[i] = 3 + 2 * ToyValues.number(record, place)
      observed.base[i] = ToyValues.isMeasured(record, place) ? 1 : 0
    }
    _ = try SafetensorsWriter.write(
      [values, observed].enumerated().map {
        NamedTensor(layout.entries[$0.offset].name, shape: [64, 1, 4, 6], view: $0.element, of: store)
      }, to: path)
  }
}
