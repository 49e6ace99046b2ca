import Commands
import Foundation
import Objectives
import Safetensors
import Tensors
import TestSupport

/// `lockstep` with the toys as objectives, for scripts/check-seam; `ToyCommand write-values FILE [SHAPE]` writes
/// records that they can be trained on, such as `2x12` for two channels of twelve steps.
@main
enum Main {
  static func main() throws {
    let arguments = CommandLine.arguments
    if (3...4).contains(arguments.count), arguments[1] == "write-values" {
      let shape = arguments.count == 4 ? arguments[3].split(separator: "x").compactMap { Int($0) } : [1, 4, 6]
      return try writeValues(to: arguments[2], shape)
    }
    LockstepCommand.main(objectives: [
      ObjectiveEntry(ToyPatches.self), ObjectiveEntry(ToySeries.self), ObjectiveEntry(ToyTeacher.self),
      ObjectiveEntry(ToyContrastive.self),
      ObjectiveEntry(ToyCodebook.self),
    ])
  }

  /// 64 records of a shape, of which about a fifth of the numbers was not measured.
  private static func writeValues(to path: String, _ shape: [Int]) throws {
    let count = shape.reduce(1, *)
    var layout = ParameterLayout()
    for name in ["values", "observed"] { layout.append(ParameterSpec(name, [64, count], decay: false, .zeros)) }
    let store = ParameterStore(layout)
    let (values, observed) = (store.view(0), store.view(1))
    for i in 0..<values.count {
      let (record, place) = (UInt64(i / count), i % count)
      values.base[i] = 3 + 2 * ToyValues.number(record, place)
      observed.base[i] = ToyValues.isMeasured(record, place) ? 1 : 0
    }
    _ = try SafetensorsWriter.write(
      [values, observed].enumerated().map {
        NamedTensor(layout.entries[$0.offset].name, shape: [64] + shape, view: $0.element, of: store)
      }, to: path)
  }
}
