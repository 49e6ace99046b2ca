import Kernels

/// CPUs as `/proc/cpuinfo` describes them: of the features those that tell kernels apart.
enum RecordedCPUs {
  private static func x86(_ vendor: String, _ family: Int, _ model: Int, _ name: String, _ flags: String) -> CPU {
    CPU(
      cpuinfo: """
        processor\t: 0
        vendor_id\t: \(vendor)
        cpu family\t: \(family)
        model\t\t: \(model)
        model name\t: \(name)
        stepping\t: 4
        flags\t\t: fpu sse sse2 \(flags)

        processor\t: 1
        vendor_id\t: another
        flags\t\t: none
        """)
  }

  private static func arm(_ implementer: String, _ part: String, _ features: String) -> CPU {
    CPU(
      cpuinfo: """
        processor\t: 0
        BogoMIPS\t: 243.75
        Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 \(features)
        CPU implementer\t: \(implementer)
        CPU architecture: 8
        CPU variant\t: 0x3
        CPU part\t: \(part)
        CPU revision\t: 1
        """)
  }

  private static let intel = "GenuineIntel", amd = "AuthenticAMD"
  private static let sse = "pni ssse3 sse4_1 sse4_2"
  private static let haswell = "\(sse) avx f16c fma avx2 bmi2"
  private static let skylakeX = "\(haswell) avx512f avx512dq avx512cd avx512bw avx512vl"
  private static let cooperLake = "\(skylakeX) avx512_vnni avx512_bf16"
  private static let sapphireRapids = "\(cooperLake) avx512_fp16 amx_bf16 amx_tile amx_int8"
  private static let zen = "\(haswell) sse4a"
  private static let zen4 = "\(zen) avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni avx512_bf16"
  private static let neoverseN1 = "atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
  private static let neoverseV1 = "\(neoverseN1) sve bf16 i8mm svebf16"

  /// Each with the core that OpenBLAS 0.3.21 of Debian 12 takes, and the one that is wanted.
  static let all: [(cpu: CPU, reported: String, wanted: String)] = [
    (x86(intel, 6, 26, "Intel(R) Xeon(R) CPU X5570", sse), "Nehalem", "Nehalem"),
    (x86(intel, 6, 45, "Intel(R) Xeon(R) CPU E5-2670", "\(sse) avx"), "Sandybridge", "Sandybridge"),
    (x86(intel, 6, 62, "Intel(R) Xeon(R) CPU E5-2680 v2", "\(sse) avx f16c"), "Sandybridge", "Sandybridge"),
    (x86(intel, 6, 63, "Intel(R) Xeon(R) CPU E5-2680 v3", haswell), "Haswell", "Haswell"),
    (x86(intel, 6, 79, "Intel(R) Xeon(R) CPU E5-2690 v4", haswell), "Haswell", "Haswell"),
    (x86(intel, 6, 85, "Intel(R) Xeon(R) Platinum 8175M", skylakeX), "SkylakeX", "SkylakeX"),
    (x86(intel, 6, 85, "Intel(R) Xeon(R) Platinum 8259CL", "\(skylakeX) avx512_vnni"), "SkylakeX", "SkylakeX"),
    (x86(intel, 6, 85, "Intel(R) Xeon(R) Platinum 8380H", cooperLake), "Cooperlake", "Cooperlake"),
    (
      x86(intel, 6, 87, "Intel(R) Xeon Phi(TM) CPU 7250", "\(haswell) avx512f avx512cd avx512er avx512pf"), "Haswell",
      "Haswell"
    ),
    (x86(intel, 6, 106, "Intel(R) Xeon(R) Platinum 8375C", "\(skylakeX) avx512_vnni"), "SkylakeX", "SkylakeX"),
    (x86(intel, 6, 143, "Intel(R) Xeon(R) Platinum 8488C", sapphireRapids), "Prescott", "SkylakeX"),
    (x86(intel, 6, 151, "12th Gen Intel(R) Core(TM) i9-12900K", haswell), "Haswell", "Haswell"),
    (x86(intel, 6, 207, "INTEL(R) XEON(R) PLATINUM 8592+", sapphireRapids), "Prescott", "SkylakeX"),
    (x86(intel, 6, 173, "Intel(R) Xeon(R) 6980P", sapphireRapids), "Prescott", "SkylakeX"),
    (x86(amd, 21, 2, "AMD Opteron(tm) Processor 6376", "\(sse) sse4a avx f16c fma fma4"), "Piledriver", "Piledriver"),
    (x86(amd, 23, 1, "AMD EPYC 7601", zen), "Zen", "Zen"), (x86(amd, 23, 49, "AMD EPYC 7742", zen), "Zen", "Zen"),
    (x86(amd, 25, 1, "AMD EPYC 7763", zen), "Zen", "Zen"),
    (x86(amd, 25, 17, "AMD EPYC 9654", zen4), "Cooperlake", "Haswell"),
    (x86(amd, 26, 2, "AMD EPYC 9755", zen4), "Prescott", "SkylakeX"),
    // A hypervisor that hides AVX-512 of a CPU that OpenBLAS does not know.
    (x86(intel, 6, 207, "Intel Xeon Processor", haswell), "Prescott", "Haswell"),
    (arm("0x41", "0xd0c", neoverseN1), "neoversen1", "neoversen1"),  // Graviton 2, Ampere Altra
    (arm("0x41", "0xd40", neoverseV1), "neoversev1", "neoversev1"),  // Graviton 3
    (arm("0x41", "0xd4f", "\(neoverseV1) sve2"), "armv8", "neoversen2"),  // Graviton 4, Grace
    (arm("0xc0", "0xac3", neoverseN1), "armv8", "neoversen1"),  // AmpereOne
    (arm("0x61", "0x022", neoverseN1), "armv8", "neoversen1"),  // Apple M1
    (arm("0x41", "0xd08", "cpuid"), "cortexa72", "cortexa72"),  // Raspberry Pi 4
    (arm("0x41", "0xd03", "cpuid"), "cortexa53", "cortexa53"),
  ]

  static let debianX86: Set<String> = [
    "Prescott", "Atom", "Core2", "Penryn", "Dunnington", "Nehalem", "Opteron_SSE3", "Opteron", "Barcelona", "Nano",
    "Sandybridge", "Bobcat",
    "Bulldozer", "Piledriver", "Haswell", "Steamroller", "Excavator", "Zen", "SkylakeX", "Cooperlake",
  ]
  static func named(_ part: String) -> CPU { all.first { $0.cpu.name.contains(part) }?.cpu ?? CPU(cpuinfo: "") }
}
