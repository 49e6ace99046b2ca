// swift-tools-version: 6.1
import PackageDescription

#if canImport(Glibc)
  import Glibc
#endif

// MARK: - What the build may choose

/// `LOCKSTEP_MPI=mpich swift build` compiles the same shim against MPICH.
let mpiPackage = getenv("LOCKSTEP_MPI").map { String(cString: $0) } == "mpich" ? "mpich" : "ompi-c"

/// The arithmetic kernels are written for fused multiply-add and 256-bit vectors. `-Xcc -march`
/// sets the CPU for Swift code too; the program compares the CPU with the build at start and says
/// what to rebuild with. Arm needs no flag: its baseline has both. Without `-fno-math-errno` a square root
/// is a branch to libm instead of an instruction.
/// `LOCKSTEP_MARCH=x86-64-v4 swift build` compiles for AVX-512, to compare bits (scripts/check-vectors).
#if arch(x86_64)
  let march = getenv("LOCKSTEP_MARCH").map { String(cString: $0) } ?? "x86-64-v3"
  let cpuFlags: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=\(march)", "-Xcc", "-fno-math-errno"])]
#else
  let cpuFlags: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-fno-math-errno"])]
#endif

/// The program brings Swift's runtime with it, so that nodes of a cluster need nothing of Swift. The compiler alone would do
/// with the first flag if every module, tests included, were compiled with it; tests need the shared runtime, so the libraries
/// behind Foundation are named here. lld is part of Swift's toolchain and, unlike gold, links them without a warning.
/// `LOCKSTEP_STDLIB=shared swift build` is for toolchains without static libraries.
let staticRuntime: [LinkerSetting] =
  getenv("LOCKSTEP_STDLIB").map { String(cString: $0) } == "shared"
  ? []
  : [.unsafeFlags(["-static-stdlib", "-lCoreFoundation", "-l_FoundationCShims", "-l_FoundationCollections", "-l_FoundationICU", "-use-ld=lld"])]

// MARK: - One policy for every target

let policy: [SwiftSetting] = [
  .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

func module(_ name: String, _ dependencies: [Target.Dependency], extra: [SwiftSetting] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: policy + cpuFlags + extra)
}

func suite(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: policy + cpuFlags)
}

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "lockstep",
  products: [.executable(name: "lockstep", targets: ["lockstep"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
  ],
  targets: [
    // MARK: - System libraries
    .systemLibrary(name: "COpenMPI", pkgConfig: mpiPackage, providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .target(name: "CMPIShim", dependencies: ["COpenMPI"]),
    .target(name: "CProcess"),

    // MARK: - The line, bottom up (scripts/check-imports has the table of who may import whom)
    module("Core", []),
    module("Storage", ["Core", "CCrypto", "CZlib", "CZstd", "CLZMA", "CLinux"]),
    module("Tensors", ["Core"]),
    module("Kernels", ["Core", "Tensors", "COpenBLAS"]),
    module("Layers", ["Core", "Tensors", "Kernels"]),
    module("Models", ["Core", "Tensors", "Kernels", "Layers"]),
    module("Objectives", ["Core", "Tensors", "Kernels", "Layers", "Models"]),
    module("Tokenizers", ["Core", "Storage"]),
    module("Data", ["Core", "Storage", "Tokenizers"]),
    module("Collectives", ["Core", "Tensors", "Kernels", "CMPIShim", "CProcess"]),
    module("Optimizers", ["Core", "Tensors", "Kernels"]),
    module("Checkpoints", ["Core", "Storage", "Tensors"]),
    module("Metrics", ["Core", "Storage"]),
    module(
      "Training",
      [
        "Core", "Storage", "Tensors", "Kernels", "Layers", "Models", "Objectives", "Tokenizers", "Data", "Collectives",
        "Optimizers", "Checkpoints", "Metrics", "TOMLKit", "CProcess",
      ]),
    module(
      "Evaluation",
      ["Core", "Storage", "Tensors", "Kernels", "Layers", "Models", "Objectives", "Tokenizers", "Data", "Collectives", "Checkpoints"]),

    module(
      "Measures",
      [
        "Core", "Storage", "Tensors", "Kernels", "Layers", "Models", "Objectives", "Tokenizers", "Data", "Collectives", "Optimizers",
        "Checkpoints", "Training", "Evaluation",
      ]),

    module(
      "Comparison",
      ["Core", "Storage", "Tensors", "Objectives", "Data", "Collectives", "Checkpoints", "Metrics", "Training", "Measures"]),

    // MARK: - What people run
    .executableTarget(
      name: "lockstep",
      dependencies: [
        "Core", "Storage", "Tensors", "Kernels", "Models", "Objectives", "Tokenizers", "Data", "Collectives", "Checkpoints", "Metrics",
        "Training", "Evaluation", "Measures", "Comparison", "CProcess", argumentParser,
      ],
      swiftSettings: policy + cpuFlags,
      linkerSettings: staticRuntime),

    // MARK: - Tests
    module(
      "HostileFiles",
      ["Core", "Storage", "Tokenizers", "Data", "Checkpoints", "Metrics", "Training"]),
    module("TestSupport", ["Core", "Tensors", "Kernels", "Layers", "Models", "Objectives"]),
    .executableTarget(
      name: "MultiRankChecks",
      dependencies: [
        "Core", "Storage", "Tensors", "Kernels", "Models", "Objectives", "Optimizers", "Data", "Collectives", "Checkpoints", "Metrics",
        "Training", "Evaluation", "TestSupport",
      ],
      swiftSettings: policy + cpuFlags),
    .testTarget(
      name: "HostileFileTests", dependencies: ["HostileFiles", "Core", "Storage", "Checkpoints", "Training"],
      exclude: ["Seeds"], swiftSettings: policy + cpuFlags),
    suite("CoreTests", ["Core"]),
    suite("StorageTests", ["Storage", "Core"]),
    suite("TensorsTests", ["Tensors", "Core"]),
    suite("KernelsTests", ["Kernels", "Tensors", "Core", "TestSupport"]),
    suite("LayersTests", ["Layers", "Kernels", "Tensors", "Core", "TestSupport"]),
    suite("ModelsTests", ["Models", "Layers", "Kernels", "Tensors", "Core", "TestSupport"]),
    suite("ObjectivesTests", ["Objectives", "Models", "Layers", "Kernels", "Tensors", "Core", "TestSupport"]),
    suite(
      "GoldenTests",
      [
        "Checkpoints", "Models", "Layers", "Objectives", "Kernels", "Tensors", "Core", "Collectives", "Optimizers", "Training",
        "Tokenizers", "Storage",
      ]),
    suite("TokenizersTests", ["Tokenizers", "Storage", "Core"]),
    suite("DataTests", ["Data", "Tokenizers", "Storage", "Core"]),
    suite("OptimizersTests", ["Optimizers", "Kernels", "Tensors", "Core"]),
    suite("CheckpointsTests", ["Checkpoints", "Storage", "Tensors", "Core"]),
    suite("EvaluationTests", ["Evaluation", "Objectives", "Kernels", "Collectives", "Storage", "Core"]),
    suite("MetricsTests", ["Metrics", "Storage", "Core"]),
    suite(
      "TrainingTests",
      ["Training", "Tokenizers", "Models", "Objectives", "Data", "Collectives", "Optimizers", "Checkpoints", "Metrics", "Tensors", "Core", "Storage", "TestSupport"]),
    suite("ComparisonTests", ["Comparison", "Measures", "Training", "Optimizers", "Core"]),
    suite(
      "MeasuresTests",
      [
        "Measures", "Evaluation", "Training", "Models", "Layers", "Objectives", "Data", "Tokenizers", "Collectives", "Checkpoints", "Tensors",
        "Kernels", "Core", "Storage", "TestSupport",
      ]),
  ]
)

// `scripts/fuzz` alone sets this: the target has no main function of its own, libFuzzer brings one.
if getenv("LOCKSTEP_FUZZ") != nil {
  package.products.append(.executable(name: "fuzz", targets: ["FuzzDriver"]))
  package.targets.append(.executableTarget(name: "FuzzDriver", dependencies: ["HostileFiles"], swiftSettings: policy + cpuFlags))
}
