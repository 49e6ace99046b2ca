import Core
import Kernels
import Testing

@Suite struct BLASCoreChoiceTests {
  private func facts(
    _ part: String, reported: String, requested: String? = nil, run: String? = nil, rejected: [String] = []
  ) -> BLASCoreChoice.Facts {
    BLASCoreChoice.Facts(
      cpu: RecordedCPUs.named(part), reported: reported, available: RecordedCPUs.debianX86, requested: requested,
      run: run, rejected: rejected)
  }

  @Test(arguments: RecordedCPUs.all.indices) func everyRecordedCPUGetsItsBestCore(index: Int) throws {
    let (cpu, reported, wanted) = RecordedCPUs.all[index]
    let available = cpu.architecture == .x86_64 ? RecordedCPUs.debianX86 : nil
    for available in [available, nil] {
      let choice = try BLASCoreChoice(.init(cpu: cpu, reported: reported, available: available))
      #expect(choice.core == wanted && choice.best == wanted && choice.reason == .best, "\(cpu.name): \(choice)")
      // The start that replaced itself must not choose anew.
      #expect(try BLASCoreChoice(.init(cpu: cpu, reported: wanted, available: available)).core == wanted, "\(cpu.name)")
    }
  }

  @Test func noCPUIsGivenACoreItCannotRun() {
    for (cpu, _, _) in RecordedCPUs.all {
      for core in BLASCoreChoice.Facts(cpu: cpu, reported: "").usable {
        #expect(cpu.missing(core.needs).isEmpty, "\(cpu.name): \(core.name)")
      }
    }
    #expect(
      !BLASCoreChoice.Facts(cpu: RecordedCPUs.named("7250"), reported: "").usable.map(\.name).contains("SkylakeX"))
    #expect(
      !BLASCoreChoice.Facts(cpu: RecordedCPUs.named("E5-2670"), reported: "").usable.map(\.name).contains("Haswell"))
  }

  @Test func aLibraryWithoutTheBestCoreGivesTheNext() throws {
    var facts = facts("8488C", reported: "Prescott")
    facts.available = ["Prescott", "Sandybridge", "Haswell"]
    #expect(try BLASCoreChoice(facts).core == "Haswell")
    facts.isDynamic = false
    let only = try BLASCoreChoice(facts)
    #expect(only.core == "Prescott" && only.reason == .only)
  }

  @Test func aCoreOfANewerLibraryIsItsOwnChoice() throws {
    #expect(try BLASCoreChoice(facts("8488C", reported: "DiamondRapids")).core == "DiamondRapids")
    #expect(try BLASCoreChoice(facts("8488C", reported: "Unknown")).core == "SkylakeX")
  }

  @Test func aWrongCoreIsPassedOver() throws {
    #expect(try BLASCoreChoice(facts("8488C", reported: "SkylakeX", rejected: ["SkylakeX"])).core == "Cooperlake")
    #expect(
      try BLASCoreChoice(facts("8488C", reported: "Cooperlake", rejected: ["SkylakeX", "Cooperlake"])).core == "Haswell"
    )
    #expect(try BLASCoreChoice(facts("E5-2680 v3", reported: "Haswell", rejected: ["haswell"])).core == "Zen")
  }

  // MARK: - Asked

  @Test func whatIsAskedForWins() throws {
    let choice = try BLASCoreChoice(facts("8488C", reported: "Haswell", requested: "HASWELL", run: "SkylakeX"))
    #expect(choice == BLASCoreChoice(core: "Haswell", best: "SkylakeX", reason: .requested))
  }

  @Test(arguments: [
    ("Foo", "this OpenBLAS does not have it"), ("SapphireRapids", "this OpenBLAS does not have it"),
    ("", "this OpenBLAS does not have it"),
  ])
  func anUnknownCoreListsTheKnownOnes(requested: String, reason: String) {
    let error = #expect(throws: ConfigurationError.self) {
      try BLASCoreChoice(facts("8488C", reported: "Prescott", requested: requested))
    }
    let text = error?.description ?? ""
    #expect(
      text.hasPrefix("OPENBLAS_CORETYPE is \"\(requested)\"; ") && text.contains(reason)
        && text.contains("SkylakeX, Cooperlake, Haswell, Zen, Sandybridge"), "\(text)")
    #expect(error?.exitCode == .usage)
  }

  @Test func aCoreTheCPUCannotRunIsRefused() {
    let error = #expect(throws: ConfigurationError.self) {
      try BLASCoreChoice(facts("E5-2680 v3", reported: "SkylakeX", requested: "SkylakeX"))
    }
    #expect(
      error?.description.contains("this CPU (Intel(R) Xeon(R) CPU E5-2680 v3) lacks avx512f") == true,
      "\(error.map { "\($0)" } ?? "")")
  }

  @Test func aLibraryOfOneCoreRefusesOthers() {
    var facts = facts("8488C", reported: "Haswell", requested: "SkylakeX")
    facts.isDynamic = false
    let error = #expect(throws: ConfigurationError.self) { try BLASCoreChoice(facts) }
    #expect(error?.description.contains("was built for Haswell alone") == true)
  }

  // MARK: - A run that goes on

  @Test func aRunKeepsItsCore() throws {
    #expect(
      try BLASCoreChoice(facts("8488C", reported: "Prescott", run: "Prescott"))
        == BLASCoreChoice(core: "Prescott", best: "SkylakeX", reason: .run))
    #expect(try BLASCoreChoice(facts("8488C", reported: "Prescott", run: "Zen")).core == "Zen")
    #expect(try BLASCoreChoice(facts("8488C", reported: "Prescott", run: "SkylakeX")).reason == .best)
  }

  @Test(arguments: [("E5-2680 v3", "SkylakeX", "lacks avx512f"), ("8488C", "SapphireRapids", "does not have it")])
  func orSaysWhyItCannot(part: String, run: String, reason: String) throws {
    let choice = try BLASCoreChoice(facts(part, reported: "Haswell", run: run))
    #expect(choice.core == choice.best && choice.remark?.contains(reason) == true, "\(choice)")
  }
}

@Suite struct CPUTests {
  @Test func theFirstProcessorIsRead() {
    let cpu = RecordedCPUs.named("9654")
    #expect(cpu.vendor == "AuthenticAMD" && cpu.family == 25 && cpu.model == 17 && cpu.architecture == .x86_64)
    #expect(cpu.features.contains("avx512_bf16") && !cpu.features.contains("none"))
    let arm = RecordedCPUs.all.first { $0.cpu.model == 0xd40 }?.cpu
    #expect(arm?.architecture == .arm64 && arm?.vendor == "0x41" && arm?.name == "Arm 0x41 part 0xd40")
  }

  @Test func whatIsNotThereIsNotMissed() {
    let cpu = CPU(cpuinfo: "")
    #expect(cpu.name == "unknown" && cpu.features.isEmpty && cpu.missing(["avx2"]).isEmpty)
  }

  @Test func thisLibraryTellsWhatItHolds() {
    guard BLAS.identity.isDynamic, let cores = BLAS.availableCores else { return }
    #expect(cores.contains { $0.lowercased() == BLAS.identity.coreName.lowercased() }, "\(cores)")
  }

  /// Two buffers for each thread that OpenBLAS was built for; a library that does not tell bounds nothing.
  @Test func callersAtTheSameTime() {
    let debian = BLASIdentity(
      configuration: "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Cooperlake MAX_THREADS=64",
      coreName: "Haswell")
    #expect(debian.mostCallers == 128)
    #expect(BLASIdentity(configuration: "OpenBLAS 0.3.21 SINGLE_THREADED", coreName: "Haswell").mostCallers == .max)
  }
}
