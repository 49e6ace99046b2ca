import Collectives
import Core
import Data
import Layers
import Metrics
import Models
import Objectives
import Tensors

/// The last layer's states of one record of numbers under a frozen network.
public struct RecordStates {
  /// Of all records that are computed together, [rows, width].
  let hidden: TensorView
  /// The first row of the record, and how many of its rows are no padding.
  let start: Int
  let count: Int
  /// 1 where [CLS] stands first.
  let leading: Int
  /// The position of the record that each of the rows behind [CLS] is, or its element.
  public let places: [Int]

  /// The mean state over the rows of a pooling.
  public func pooled(_ pooling: Pooling) -> [Double] {
    pooling.rows(of: count, leading: leading, trailing: 0).mean(of: hidden, from: start)
  }

  /// Positions with states, without [CLS].
  public var positions: Int { count - leading }

  /// The state at one of them.
  public func position(_ i: Int) -> [Double] { (0..<hidden.columns).map { Double(hidden[start + leading + i, $0]) } }
}

extension MeasureContext {
  /// Numbers made of the states of each record of a source.
  ///
  /// `microBatch` records are computed together, the last group filled up with its first record: the shapes of
  /// products, and so the bits, depend neither on the number of records nor on ranks and threads. Collective.
  /// - Parameters:
  ///   - columns: how many numbers `row` gives.
  ///   - parameters: in place of the model's; an objective with layers in front of the encoder keeps those.
  ///   - read: what the encoder reads of some records; nil for `Objective.whole`.
  /// - Returns: a row per record, on every rank.
  public func recordRows(
    _ source: any SampleSource, columns: Int, parameters: ParameterStore? = nil,
    read: (@Sendable (SampleBatch) -> SequenceInput)? = nil, _ row: @escaping @Sendable (RecordStates) -> [Double]
  ) throws -> [[Double]] {
    let (encoder, parameters, size) = (model.encoder, parameters ?? model.parameters, microBatch)
    let objective = try model.makeObjective()
    let front = objective.encoderInput == .layers ? try model.objectiveAndParameters().1.trained : nil
    let (leading, isTyped) = (encoder.configuration.leadingRows, objective.encoderInput == .elements)
    let count = source.samplesPerEpoch
    let groups = (count + size - 1) / size
    // Portions bound the memory of the sum over ranks.
    let portion = max(1, (1 << 22) / (size * columns))
    let meter = meters?.start(
      activity, total: (groups + communicator.size - 1) / communicator.size, unit: "groups of records")
    defer { meter?.finish() }
    var result: [[Double]] = []
    for start in stride(from: 0, to: groups, by: portion) {
      let rows = try rows(
        min(portion, groups - start), columns: size * columns, meter: meter,
        workspace: {
          RecordWorkspace(
            encoder, samples: size, length: leading + encoder.configuration.maxPosition, hasFront: front != nil)
        }
      ) { index, workspace in
        let batch = try source.group(start + index, of: size)
        let input = read?(batch) ?? objective.whole(batch)
        let rows = front.flatMap { objective.encoderRows(input, $0) }.map { workspace.fill($0) }
        let hidden = encoder.forward(input, Pass(parameters), rows: rows, workspace.transformer)
        return (0..<size).flatMap { sample -> [Double] in
          let (first, count) = (sample * input.length, input.realRows(of: sample))
          let places = (first + leading..<first + max(count, leading)).map {
            isTyped ? $0 - first - leading : Int(input.positionIDs[$0]) - leading
          }
          return row(RecordStates(hidden: hidden, start: first, count: count, leading: leading, places: places))
        }
      }
      result += rows.flatMap { row in (0..<size).map { Array(row[$0 * columns..<($0 + 1) * columns]) } }
    }
    return Array(result.prefix(count))
  }
}

/// Memory of a thread for the states of records.
private final class RecordWorkspace {
  let transformer: Transformer.Workspace
  private let front: TensorView
  private let arena: Arena

  /// - Parameter hasFront: the encoder reads rows that layers in front of it make.
  init(_ encoder: Transformer, samples: Int, length: Int, hasFront: Bool) {
    let size = encoder.configuration.inputSize
    (arena, (transformer, front)) = Arena.sized { arena in
      (
        Transformer.Workspace(encoder, samples: samples, length: length, forBackward: false, arena),
        arena.matrix(hasFront ? samples * length : 0, size)
      )
    }
  }

  /// The rows as a matrix, in this memory.
  func fill(_ rows: [Float]) -> TensorView {
    let matrix = front.first(rows.count / front.columns)
    matrix.copy(from: rows)
    return matrix
  }
}

extension SampleSource {
  /// Samples `size` · index … of an epoch; a short last group is filled up with its first sample.
  public func group(_ index: Int, of size: Int) throws -> SampleBatch {
    let start = index * size
    let batch = try samples(at: UInt64(start)..<UInt64(min(start + size, samplesPerEpoch)))
    return batch.count == size
      ? batch : batch.taking(Array(0..<batch.count) + [Int](repeating: 0, count: size - batch.count))
  }
}
