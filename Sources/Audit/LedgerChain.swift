import Checkpoints
import Core
import Kernels

/// The lines of a ledger that count: those no later start has made void, and whether they follow each other.
struct LedgerChain {
  private(set) var live: [LedgerSteps] = []
  private(set) var starts: [LedgerStart] = []
  private(set) var failures: [SampleProof.Failure] = []
  private var launches = Set<Int>()
  /// Where the account begins.
  let firstStep: Int

  /// - Parameter first: where the checkpoints' account begins; nil when no checkpoint has one, and the first start
  ///   decides.
  init(_ ledger: Ledger, from first: Int? = nil) {
    var opening: Int?
    if case .start(let start)? = ledger.lines.first?.entry { opening = start.step }
    firstStep = first ?? opening ?? 0
    var atLine: [Int: Int] = [:]
    for line in ledger.lines {
      atLine[line.number] = endStep
      switch line.entry {
      case .start(let start): begin(start, line.number)
      case .steps(let steps): add(steps, line.number)
      }
    }
    // A damaged line stands before the next whole one; both rise.
    var rest = ledger.lines.map(\.number)[...]
    for problem in ledger.problems {
      rest = rest.drop { $0 < problem.line }
      let step = rest.first.flatMap { atLine[$0] } ?? endStep
      failures.append(.init(step: step, sentence: "ledger.jsonl: \(problem.sentence)"))
    }
  }

  var endStep: Int { live.last?.endStep ?? firstStep }
  var samplesPerEpoch: Int? { starts.last?.samplesPerEpoch }
  /// Steps at which a line begins or ends.
  var boundaries: Set<Int> { Set(live.flatMap { [$0.firstStep, $0.endStep] } + [firstStep]) }

  /// Where the last line that ends at or before `step` ends.
  func endStep(before step: Int) -> Int { live.last { $0.endStep <= step }?.endStep ?? firstStep }

  /// The start that did the work of step `step` (counted from 0).
  func start(of step: Int) -> LedgerStart? {
    guard let line = live.first(where: { $0.firstStep <= step && step < $0.endStep }) else { return nil }
    return starts.first { $0.launch == line.launch }
  }

  private mutating func begin(_ start: LedgerStart, _ number: Int) {
    while let last = live.last, last.firstStep >= start.step { live.removeLast() }
    if let last = live.last, last.endStep > start.step {
      fail(
        last.firstStep,
        "line \(number) begins again at step \(start.step), inside steps \(last.firstStep)–\(last.endStep)")
      live.removeLast()
    }
    if start.step > endStep {
      fail(endStep, "line \(number) begins at step \(start.step), and steps \(endStep)–\(start.step) are missing")
    }
    if !launches.insert(start.launch).inserted { starts.removeAll { $0.launch == start.launch } }
    starts.append(start)
  }

  private mutating func add(_ steps: LedgerSteps, _ number: Int) {
    if steps.endStep <= steps.firstStep {
      return fail(steps.firstStep, "line \(number) goes from step \(steps.firstStep) to \(steps.endStep)")
    }
    if steps.firstStep > endStep {
      fail(endStep, "steps \(endStep)–\(steps.firstStep) are missing before line \(number)")
    }
    if steps.firstStep < endStep {
      fail(
        steps.firstStep, "line \(number) counts steps \(steps.firstStep)–\(min(steps.endStep, endStep)) a second time")
    }
    live.append(steps)
  }

  private mutating func fail(_ step: Int, _ sentence: String) {
    failures.append(.init(step: step, sentence: "ledger.jsonl: \(sentence)"))
  }
}
