@testable import Audit
@testable import Checkpoints
import Collectives
import Core
import Foundation
@testable import Machine
@testable import RunSupport
import Testing

@Suite struct ComputeKernelTests {
  @Test func theNoteOfARestartIsReadBack() {
    let text = "77:SkylakeX:SkylakeX:best:Haswell,Zen"
    #expect(StartNote(text)?.text == text && StartNote(text)?.rejected == ["Haswell", "Zen"])
    for other in ["", "x", "77:SkylakeX:SkylakeX:best", "a:b:c:best:", "77:b:c:why:", "1:2:3:best:5:6"] {
      #expect(StartNote(other) == nil, "\(other)")
    }
  }

  /// What the program set for itself was not requested, in that process or in one that inherits it.
  @Test(arguments: [
    (["OPENBLAS_CORETYPE": "Zen"], "Zen"), (["OPENBLAS_CORETYPE": ""], nil), ([:], nil),
    (["OPENBLAS_CORETYPE": "Zen", "LOCKSTEP_KERNEL": "1:Zen:Zen:best:"], nil),
    (["OPENBLAS_CORETYPE": "Haswell", "LOCKSTEP_KERNEL": "1:Zen:Zen:best:"], "Haswell"),
    (["OPENBLAS_CORETYPE": "Zen", "LOCKSTEP_KERNEL": "nonsense"], "Zen"),
  ]) func requestedCore(environment: [String: String], requested: String?) {
    #expect(StartNote.requested(in: environment) == requested)
  }

  @Test func thisProcessUsesWhatItSays() {
    let kernel = ComputeKernel.current
    #expect(kernel.core == Arithmetic.current().core)
    #expect(ComputeKernel.usable().contains(kernel.best))
    #expect(ComputeKernel.usable().first == kernel.best)
  }

  @Test func aRunTellsItsKernels() throws {
    let fixture = try RunFixture()
    defer { fixture.remove() }
    #expect(RecordedKernel.newest(in: fixture.folder) == nil && RecordedKernel.ofStep(1, in: fixture.folder) == nil)
    try fixture.train()
    let core = Arithmetic.current().core
    #expect(RecordedKernel.newest(in: fixture.folder) == core)
    #expect(
      RecordedKernel.ofStep(3, in: fixture.folder) == core && RecordedKernel.ofStep(nil, in: fixture.folder) == core)
    // The start that ran a step counts for its replay, whatever later ones used.
    let launch = fixture.folder.launchesPath + "/0001.json"
    let text = try String(contentsOfFile: launch, encoding: .utf8)
    #expect(text.contains("\"best_sgemm_gflops\"") && text.contains("\"kernel\""))
    try text.replacing("\"core\" : \"\(core)\"", with: "\"core\" : \"Prescott\"").write(
      toFile: launch, atomically: true, encoding: .utf8)
    #expect(RecordedKernel.ofStep(3, in: fixture.folder) == "Prescott")
    #expect(RecordedKernel.newest(in: fixture.folder) == core)
  }

  // MARK: - Unlike hosts

  private func host(_ name: String, _ core: String, _ usable: String) -> HostKernels {
    HostKernels(host: name, cpu: "CPU of \(name)", core: core, usable: usable.split(separator: " ").map(String.init))
  }

  @Test func hostsThatAgreeAreLeftAlone() {
    let hosts = [host("a", "Haswell", "SkylakeX Haswell"), host("b", "Haswell", "Haswell Zen")]
    #expect(HostKernels.disagreement(hosts) == nil)
  }

  @Test func theSentenceSaysWhichHostLacksWhatAndWhatAllHave() {
    let hosts = [
      host("a", "SkylakeX", "SkylakeX Cooperlake Haswell Zen Nehalem"),
      host("a", "SkylakeX", "SkylakeX Cooperlake Haswell Zen Nehalem"),
      host("b", "Zen", "Zen Haswell Nehalem"),
    ]
    let text = HostKernels.disagreement(hosts) ?? ""
    #expect(text.contains("SkylakeX on a (CPU of a), Zen on b (CPU of b); b cannot use SkylakeX."), "\(text)")
    #expect(
      text.hasSuffix(
        "All of them can use Haswell: start with launch/run, which asks every host first, or with mpirun -x OPENBLAS_CORETYPE=Haswell."
      ), "\(text)")
  }

  @Test func hostsWithoutACommonKernelAreTold() {
    let text =
      HostKernels.disagreement([host("a", "SkylakeX", "SkylakeX"), host("b", "neoversen1", "neoversen1 armv8")]) ?? ""
    #expect(text.contains("b cannot use SkylakeX. There are no kernels that all of them can use"), "\(text)")
  }
}
