import Core
import Data
import Storage

/// What staged records become: their form, fields, classes and moments.
struct NumberPlan {
  let records: ValueRecords
  private let ids: [String: (Int32) -> Int32]
  private let markIDs: (Int32) -> Int32

  init(
    _ staged: StagedRecords, _ parts: SplitParts, _ format: NumberFormat, _ unit: DataShape.Unit, values: MappedFile,
    observed: MappedFile?
  ) {
    let lengths = Set((parts.train + parts.validation).map(\.rows.count))
    let becomesRecords = staged.isSequence && format.equalLengthsAreRecords && lengths.count == 1
    var (fields, ids) = ([FieldShape](), [String: (Int32) -> Int32]())
    for name in staged.fields.keys.sorted() {
      guard let column = staged.fields[name] else { continue }
      let classes = column.classes(known: format.classNames(of: name))
      fields.append(FieldShape(name, classes: classes.count, names: classes.names))
      ids[name] = classes.id
    }
    var rowFields: [FieldShape] = []
    let marks = staged.marks.classes(known: [])
    if staged.hasRowField, !becomesRecords {
      // A row without a name is of class 0.
      rowFields = [
        FieldShape(NumberShardWriter.annotation, classes: marks.count + 1, names: ["none"] + marks.names)
      ]
    }
    (self.ids, markIDs) = (ids, { marks.id($0) + 1 })
    let moments = NumberMoments(staged, parts.train, values: values, observed: observed)
    let shape = staged.sharedShape
    records = ValueRecords(
      form: staged.isSequence && !becomesRecords ? .sequences : .records, channels: shape[0],
      extent: becomesRecords ? Array(lengths) : Array(shape.dropFirst()), unit: unit, fields: fields,
      rowFields: rowFields, hasObserved: staged.hasObserved, mean: moments.mean, deviation: moments.deviation)
  }

  func writer(_ staged: StagedRecords, values: MappedFile, observed: MappedFile?, shardBytes: Int)
    -> NumberShardWriter
  {
    NumberShardWriter(
      staged: staged, values: values, observed: observed, records: records, ids: ids, markIDs: markIDs,
      shardBytes: shardBytes)
  }
}

extension ValueRecords {
  /// Why samples cannot have these sizes; nil where they can.
  var sizeProblem: String? {
    GridShape.problem(channels: channels, extent: extent, patch: extent.map { _ in 1 })
  }
}
