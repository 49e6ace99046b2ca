/// One of the sets of kernels in an OpenBLAS that chooses among several when it is loaded, which it calls cores.
public struct BLASCore: Sendable, Equatable {
  /// As `OPENBLAS_CORETYPE` takes it, whatever the case of its letters, and as OpenBLAS reports it.
  public let name: String
  /// Features without which its instructions are illegal.
  public let needs: [String]
  /// How fast its single-precision products are, in steps: cores of one step differ by a few percent.
  let step: Int

  private init(_ name: String, _ step: Int, _ needs: String) {
    (self.name, self.step) = (name, step)
    self.needs = needs.split(separator: " ").map(String.init)
  }

  /// All cores of an architecture that OpenBLAS has had in 64-bit builds; within a step the one to prefer is first.
  public static func all(_ architecture: CPU.Architecture) -> [BLASCore] { architecture == .arm64 ? arm64 : x86_64 }

  /// SkylakeX is first among the AVX-512 cores, because every CPU that runs another of them runs it as well, with the
  /// same single-precision kernels: hosts of several generations then compute alike.
  private static let x86_64: [BLASCore] = [
    BLASCore("SkylakeX", 7, avx512), BLASCore("Cooperlake", 7, avx512 + " avx512_bf16 avx512_vnni"),
    BLASCore("SapphireRapids", 7, avx512 + " avx512_bf16 avx512_vnni avx512_fp16 amx_tile amx_bf16"),
    BLASCore("Haswell", 6, "avx2 fma"), BLASCore("Zen", 6, "avx2 fma"),
    BLASCore("Excavator", 6, "avx fma fma4"), BLASCore("Steamroller", 6, "avx fma fma4"),
    BLASCore("Piledriver", 6, "avx fma fma4"),
    BLASCore("Bulldozer", 6, "avx fma4"), BLASCore("Sandybridge", 5, "avx"), BLASCore("Barcelona", 4, "sse4a"),
    BLASCore("Nehalem", 3, "sse4_2"), BLASCore("Penryn", 2, "sse4_1"), BLASCore("Dunnington", 2, "sse4_1"),
    BLASCore("Bobcat", 2, "ssse3 sse4a"), BLASCore("Core2", 2, "ssse3"), BLASCore("Atom", 1, "ssse3"),
    BLASCore("Nano", 1, "ssse3"),
    BLASCore("Opteron_SSE3", 1, "pni 3dnow"), BLASCore("Opteron", 1, "3dnow"), BLASCore("Prescott", 1, "pni"),
  ]
  private static let avx512 = "avx2 fma avx512f avx512dq avx512bw avx512vl avx512cd"

  /// Features tell little of an Arm CPU: step 1 is what only its part can raise (`CPU.preferredCores`).
  private static let arm64: [BLASCore] = [
    BLASCore("armv8sve", 3, "sve"), BLASCore("neoversev1", 3, "sve bf16"), BLASCore("neoversen2", 3, "sve sve2 bf16"),
    BLASCore("neoversev2", 3, "sve sve2 bf16"), BLASCore("a64fx", 3, "sve"),
    BLASCore("neoversen1", 2, "asimd asimddp atomics"),
    BLASCore("vortex", 2, "asimd asimddp atomics"), BLASCore("tsv110", 2, "asimd asimddp atomics"),
    BLASCore("armv8", 1, "asimd"), BLASCore("thunderx3t110", 1, "asimd atomics"),
    BLASCore("thunderx2t99", 1, "asimd atomics"),
    BLASCore("cortexa73", 1, "asimd"), BLASCore("cortexa72", 1, "asimd"), BLASCore("cortexa57", 1, "asimd"),
    BLASCore("falkor", 1, "asimd"),
    BLASCore("emag8180", 1, "asimd"), BLASCore("thunderx", 1, "asimd"), BLASCore("cortexa55", 1, "asimd"),
    BLASCore("cortexa53", 1, "asimd"),
  ]

  /// Whether OpenBLAS would take `other` for this core's name.
  public func isCalled(_ other: String) -> Bool { name.lowercased() == other.lowercased() }
}

extension CPU {
  /// The cores this CPU can run, best first.
  ///
  /// - Parameter available: names of those the library holds; nil where it does not tell.
  func runnable(of available: Set<String>?) -> [BLASCore] {
    let all = BLASCore.all(architecture).filter { core in
      missing(core.needs).isEmpty && available?.contains(core.name) != false
    }
    let preferred = preferredCores
    // What neither step nor part decides stays in the order of the table.
    func place(_ index: Int) -> (Int, Int, Int) {
      (-step(all[index]), preferred.firstIndex(of: all[index].name) ?? preferred.count, index)
    }
    return all.indices.sorted { place($0) < place($1) }.map { all[$0] }
  }

  /// The step of a core on this CPU.
  func step(_ core: BLASCore) -> Int {
    // A Zen 4 sends a 512-bit instruction through 256-bit units in two cycles, and runs AVX2 code as fast or faster.
    if vendor == "AuthenticAMD", family == 0x19, core.step == 7 { return 5 }
    if preferredCores.contains(core.name) { return 3 }
    return core.step
  }

  /// The cores that were made for an Arm part or run best on it, best first.
  private var preferredCores: [String] {
    guard architecture == .arm64 else { return [] }
    switch (vendor, model) {
    case ("0x41", 0xd0c), ("0xc0", _): return ["neoversen1"]
    case ("0x41", 0xd40): return ["neoversev1", "neoversen1"]
    case ("0x41", 0xd49), ("0x41", 0xd4f), ("0x41", 0xd83), ("0x41", 0xd84), ("0x41", 0xd8e):
      return ["neoversen2", "neoversev2", "neoversev1", "neoversen1"]
    case ("0x61", _): return ["neoversen1", "vortex"]
    case ("0x46", 0x001): return ["a64fx"]
    case ("0x48", 0xd01), ("0x48", 0xd02): return ["tsv110", "neoversen1"]
    case ("0x43", 0x0b8): return ["thunderx3t110", "thunderx2t99"]
    case ("0x42", 0x516), ("0x43", 0x0af): return ["thunderx2t99"]
    case ("0x43", 0x0a1): return ["thunderx"]
    case ("0x50", 0x000): return ["emag8180"]
    case ("0x51", 0xc00): return ["falkor"]
    case ("0x41", 0xd03): return ["cortexa53"]
    case ("0x41", 0xd05): return ["cortexa55", "cortexa53"]
    case ("0x41", 0xd07): return ["cortexa57"]
    case ("0x41", 0xd08): return ["cortexa72"]
    case ("0x41", 0xd09), ("0x41", 0xd0a), ("0x41", 0xd0b): return ["cortexa73"]
    default: return []
    }
  }
}
