@testable import Comparison
@testable import Configuration
import Core
import Measures
import Optimizers
import Testing

@Suite struct ComparisonFileTests {
  private let text = """
    name = "x"
    corpus = "c"
    seeds = 2
    budget.steps = 10
    reference = "mlm"
    [run]
    model.hidden_size = 64
    optimizer.learning_rate = 1e-3
    [arms.ar]
    objective.name = "ar"
    model.hidden_size = 32
    [arms.mlm]
    objective.name = "mlm"
    data.corpus = "d"
    [measures.left-to-right]
    windows = 3
    """

  private func problems(_ change: (String) -> String) -> [String] {
    do {
      _ = try ComparisonFile(toml: change(text), place: "x.toml")
      return []
    } catch { return error.problems.map(\.key).sorted() }
  }

  @Test func armsShareWhatTheyDoNotSay() throws {
    let file = try ComparisonFile(toml: text, place: "x.toml")
    #expect(
      file.arms.map(\.name) == ["mlm", "ar"] && file.seeds == [1, 2]
        && file.measures.map(\.entry.name) == ["left-to-right"])
    let (mlm, ar) = (try file.arms[0].configuration(2, 7), try file.arms[1].configuration(1, 9))
    #expect(
      mlm.model.hiddenSize == 64 && ar.model.hiddenSize == 32 && mlm.optimizer.learningRate == 1e-3
        && ar.optimizer.learningRate == 1e-3)
    #expect(mlm.name == "mlm-2" && mlm.seed == 2 && mlm.data.corpus == "d" && ar.data.corpus == "c" && ar.seed == 1)
    #expect(try mlm.steps(samplesPerEpoch: 5, tokensPerSample: 3) == 7 && mlm.folder == "comparisons/x/runs/mlm-2")
  }

  @Test func mistakesAreNamedWhereTheyStand() {
    #expect(problems { $0 } == [])
    #expect(
      problems { $0.replacing("model.hidden_size = 64", with: "model.hidden_size = 0") } == ["run.model.hidden_size"])
    #expect(
      problems { $0.replacing("model.hidden_size = 32", with: "model.hidden_size = 0") } == [
        "arms.ar.model.hidden_size"
      ])
    #expect(problems { $0.replacing("corpus = \"c\"", with: "") } == ["corpus"])
    #expect(problems { $0.replacing("reference = \"mlm\"", with: "reference = \"mml\"") } == ["reference"])
    #expect(
      problems { $0.replacing("objective.name = \"ar\"", with: "objective.name = \"ra\"") } == [
        "arms.ar.objective.name"
      ])
    #expect(problems { $0.replacing("[run]", with: "[run]\nseed = 3") } == ["run.seed"])
    #expect(problems { $0.replacing("windows = 3", with: "widows = 3") } == ["measures.left-to-right.widows"])
    #expect(
      problems { $0.replacing("[measures.left-to-right]", with: "[measures.right-to-left]") } == [
        "measures.right-to-left"
      ])
    #expect(problems { $0.replacing("budget.steps = 10", with: "budget.steps = 10\nbudget.tokens = 5") } == ["budget"])
    #expect(problems { $0.replacing("[arms.ar]", with: "[run.arm]") }.contains("arms"))
    #expect(problems { _ in "name = \"a\"\n[model]\nhidden_size = 8\n" } == ["x.toml"])
  }
}
