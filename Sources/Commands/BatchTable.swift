import Audit
import Comparison
import Core

extension BatchView {
  /// A heading, and a table for each sample.
  var lines: [String] {
    let count = samples.count == 1 ? "1 sample" : "\(samples.count) samples"
    let weights = zip(terms, counts).map { "\($0) \(Self.number($1))" }.joined(separator: ", ")
    return [
      "step \(step), micro-batch \(microBatch) of 0...\(microBatchCount - 1): \(count), objective \(objective)",
      "sum of weights: \(weights)",
    ]
      + (note.map { ["note: \($0)"] } ?? []) + samples.flatMap { [""] + lines(of: $0) }
  }

  private func lines(of sample: Sample) -> [String] {
    let views = sample.rows.first?.reads.count ?? 0
    let hasProposals = samples.contains { $0.rows.contains { $0.proposed != nil } }
    var header = ["row"]
    for view in 0..<views { header += columns(of: view, sample) }
    if hasProposals { header.append("generator sampled") }
    header += terms.map { terms.count == 1 ? "target" : "\($0) target" }
    var table = [header]
    for (index, row) in sample.rows.enumerated() {
      var cells = ["\(index)"]
      for (view, read) in row.reads.enumerated() { cells += self.cells(read, view, sample) }
      if hasProposals { cells.append(row.proposed.map(Self.text) ?? "") }
      cells += terms.indices.map { term in row.targets.filter { $0.term == term }.map(Self.text).joined(separator: ", ")
      }
      table.append(cells)
    }
    return ["sample \(sample.index) of its epoch, at \(sample.position) of the stream"] + Self.aligned(table)
  }

  private func columns(of view: Int, _ sample: Sample) -> [String] {
    let name = view == 0 ? "" : " of view \(view + 1)"
    return ["position\(name)", "reads\(name)"] + (hasRoles(view, sample) ? ["role\(name)"] : []) + ["sees\(name)"]
  }

  private func cells(_ read: Read?, _ view: Int, _ sample: Sample) -> [String] {
    guard let read else { return columns(of: view, sample).map { _ in "" } }
    let reads =
      read.token.map(Self.text) ?? read.values.map { $0.map { Self.number(Double($0)) }.joined(separator: " ") } ?? ""
    let isRange = read.seesCount == Int(read.seesUntil - read.seesFrom)
    let sees =
      read.seesCount == 0
      ? "nothing"
      : isRange ? "\(read.seesFrom)...\(read.seesUntil - 1)" : read.seesCount == 1 ? "1 row" : "\(read.seesCount) rows"
    return ["\(read.position)", reads] + (hasRoles(view, sample) ? [read.role.map(Self.text) ?? ""] : []) + [sees]
  }

  private func hasRoles(_ view: Int, _ sample: Sample) -> Bool { sample.rows.contains { $0.reads[view]?.role != nil } }

  /// `412 " king"`.
  private static func text(_ token: Token) -> String { "\(token.id) \"\(printableName(token.text))\"" }

  /// The target, how far ahead it lies, and its weight where that is not 1.
  private static func text(_ target: Target) -> String {
    let value =
      target.token.map(text) ?? target.values.map { $0.map { number(Double($0)) }.joined(separator: " ") }
      ?? "what was read"
    return value + (target.offset.map { " at +\($0)" } ?? "")
      + (target.weight == 1 ? "" : " × \(number(Double(target.weight)))")
  }

  /// Whole numbers as such, others as short as they are exact in single precision.
  private static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e9 ? String(Int(value)) : "\(Float(value))"
  }

  private static func aligned(_ table: [[String]]) -> [String] {
    let widths = (table.first ?? []).indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    return table.map { row in
      var line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
      while line.hasSuffix(" ") { line.removeLast() }
      return line
    }
  }
}
