import Core
import Kernels
import Layers

extension SampleBatch {
  /// Samples of numbers as an encoder reads them: [CLS] first where the model has it, then the positions, each at its
  /// own place of the position table.
  ///
  /// Padding is seen by padding alone. Learned row 0 is [CLS].
  ///
  /// - Parameters:
  ///   - shown: the positions of each sample that are rows, rising and equally many; nil for all.
  ///   - hidden: of these, the positions whose numbers are replaced by learned row `hiddenRow`; empty for none.
  public func patches(_ model: ModelConfiguration, shown: [[Int]]? = nil, hidden: [[Int]] = [], hiddenRow: Int = 0)
    -> SequenceInput
  {
    let (leading, kept) = (model.leadingRows, shown?.first?.count ?? length)
    precondition(shown.map { $0.allSatisfy { $0.count == kept } } ?? true, "every sample must show \(kept) positions")
    var (values, learned, positions, documents) = ([Float](), [Int32](), [Int32](), [Int32]())
    for sample in 0..<count {
      let own = shown?[sample] ?? Array(0..<length)
      let isHidden = Set(hidden.isEmpty ? [] : hidden[sample])
      for _ in 0..<leading {
        values += repeatElement(0, count: valueSize)
        learned.append(0)
        positions.append(0)
        documents.append(own.first.map { documentIDs[sample * stride + $0] } ?? -1)
      }
      for i in own {
        let numbers = (sample * length + i) * valueSize..<(sample * length + i + 1) * valueSize
        let hides = isHidden.contains(i)
        if hides { values += repeatElement(0, count: valueSize) } else { values += self.values[numbers] }
        learned.append(hides ? Int32(hiddenRow) : -1)
        positions.append(Int32(leading + i))
        documents.append(documentIDs[sample * stride + i])
      }
    }
    let rows = leading + kept
    return SequenceInput(
      sampleIDs: sampleIDs, length: rows, values: values, positionIDs: positions,
      ranges: AttentionRanges(
        samples: count, length: rows, documentIDs: documents, causal: model.attentionMask == .causal,
        documentMasking: false),
      learned: learned.contains { $0 >= 0 } ? learned : [])
  }

  /// The positions of a sample that are not padding.
  public func realPositions(_ sample: Int) -> [Int] {
    (0..<length).filter { documentIDs[sample * stride + $0] >= 0 }
  }
}
