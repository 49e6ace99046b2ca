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

/// The program brings Swift's runtime with it, so that nodes of a cluster need nothing of Swift. The compiler alone
/// would do with the first flag if every module, tests included, were compiled with it; tests need the shared runtime,
/// so the libraries behind Foundation are named here. lld is part of Swift's toolchain and, unlike gold, links them
/// without a warning. `LOCKSTEP_STDLIB=shared swift build` is for toolchains without static libraries.
let staticRuntime: [LinkerSetting] =
  getenv("LOCKSTEP_STDLIB").map { String(cString: $0) } == "shared"
  ? []
  : [
    .unsafeFlags([
      "-static-stdlib", "-lCoreFoundation", "-l_FoundationCShims", "-l_FoundationCollections", "-l_FoundationICU",
      "-use-ld=lld",
    ])
  ]

// MARK: - One policy for every target

let policy: [SwiftSetting] = [
  .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

func module(_ name: String, _ dependencies: [Target.Dependency], extra: [SwiftSetting] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: policy + cpuFlags + extra)
}

/// What several suites share.
func testModule(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: policy + cpuFlags)
}

/// Tests are not optimised: it takes longer than it saves. What they share, such as references, is.
func suite(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, swiftSettings: policy + cpuFlags + [.unsafeFlags(["-Onone"])])
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
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
    .systemLibrary(name: "CSndFile", pkgConfig: "sndfile", providers: [.apt(["libsndfile1-dev"])]),
    .systemLibrary(name: "CKissFFT", providers: [.apt(["libkissfft-dev"])]),
    .target(name: "CMPIShim", dependencies: ["COpenMPI"]),
    .target(name: "CProcess"),

    // MARK: - Modules, bottom up (scripts/check-imports reads who may import whom from here)
    module("Core", []),
    module("Storage", ["Core", "CCrypto", "CZlib", "CZstd", "CLZMA", "CLinux"]),

    // Numbers.
    module("Tensors", ["Core"]),
    module("Kernels", ["Core", "Tensors", "COpenBLAS"]),
    module("Layers", ["Core", "Tensors", "Kernels"]),
    module("Models", ["Core", "Tensors", "Kernels", "Layers"]),
    module("Objectives", ["Core", "Tensors", "Kernels", "Layers", "Models"]),
    module("Optimizers", ["Tensors", "Kernels"]),
    module("Collectives", ["Core", "Tensors", "Kernels", "CMPIShim", "CProcess", "CLinux"]),

    // Data.
    module("Tokenizers", ["Core", "Storage"]),
    module("Safetensors", ["Core", "Storage", "Tensors"]),
    module("Data", ["Core", "Storage", "Tokenizers", "Safetensors"]),
    module(
      "Preparation",
      ["Core", "Storage", "Tokenizers", "Data", "Safetensors", "CPNG", "CTurboJPEG", "CSndFile", "CKissFFT"]),

    // Files of a run.
    module("HuggingFace", ["Core", "Storage", "Tensors", "Safetensors"]),
    module("Checkpoints", ["Core", "Storage", "Tensors", "Safetensors", "HuggingFace"]),
    module("Metrics", ["Core", "Storage"]),

    // Training.
    module("Machine", ["Core", "Storage", "Tensors", "Kernels", "Collectives", "CProcess"]),
    module(
      "Configuration",
      [
        "Core", "Storage", "Objectives", "Optimizers", "Collectives", "HuggingFace", "Checkpoints", "Metrics",
        "TOMLKit",
      ]),
    module(
      "Training",
      ["Core", "Tensors", "Kernels", "Objectives", "Optimizers", "Collectives", "Data", "Metrics", "Machine"]),
    module(
      "Runs",
      [
        "Core", "Storage", "Tensors", "Kernels", "Models", "Objectives", "Optimizers", "Collectives", "Tokenizers",
        "Data", "Safetensors",
        "HuggingFace", "Checkpoints", "Metrics", "Machine", "Configuration", "Training", "CProcess",
      ]),
    module(
      "Audit",
      [
        "Core", "Storage", "Tensors", "Kernels", "Layers", "Objectives", "Optimizers", "Collectives", "Tokenizers",
        "Data", "Safetensors",
        "Checkpoints", "Metrics", "Machine", "Configuration", "Training", "Runs",
      ]),
    module(
      "Benchmarks",
      [
        "Core", "Tensors", "Kernels", "Models", "Objectives", "Optimizers", "Collectives", "Data", "Machine",
        "Training",
      ]),
    module(
      "Diagnostics", ["Core", "Storage", "Kernels", "Collectives", "Machine", "Configuration", "Runs"]),

    // What a model is worth.
    module(
      "Generation",
      ["Core", "Storage", "Tensors", "Kernels", "Layers", "Models", "Tokenizers", "HuggingFace", "Checkpoints"]),
    module(
      "Evaluation",
      [
        "Core", "Storage", "Tensors", "Kernels", "Layers", "Models", "Objectives", "Collectives", "Tokenizers", "Data",
        "HuggingFace", "Checkpoints", "Metrics", "Machine", "Configuration", "Training", "Runs", "Generation",
      ]),
    module(
      "Classification",
      [
        "Core", "Storage", "Tensors", "Kernels", "Layers", "Models", "Objectives", "Optimizers", "Collectives",
        "Tokenizers", "Data",
        "Preparation", "Safetensors", "HuggingFace", "Metrics", "Machine", "Training", "Evaluation",
      ]),
    module("Measures", ["Core", "Configuration", "Evaluation", "Classification"]),
    module(
      "Comparison",
      [
        "Core", "Storage", "Tensors", "Objectives", "Collectives", "Data", "Safetensors", "HuggingFace", "Checkpoints",
        "Metrics", "Machine",
        "Configuration", "Runs", "Evaluation", "Measures",
      ]),

    // MARK: - What people run
    module(
      "Commands",
      [
        "Core", "Storage", "Tensors", "Kernels", "Models", "Objectives", "Collectives", "Tokenizers", "Data",
        "Preparation",
        "Safetensors", "HuggingFace", "Checkpoints", "Metrics", "Machine", "Configuration", "Training", "Runs", "Audit",
        "Benchmarks",
        "Diagnostics", "Generation", "Evaluation", "Classification", "Measures", "Comparison", argumentParser,
      ]),
    .executableTarget(
      name: "lockstep", dependencies: ["Commands"], swiftSettings: policy + cpuFlags, linkerSettings: staticRuntime),

    // MARK: - Tests
    testModule(
      "FuzzTargets",
      [
        "Core", "Storage", "Tokenizers", "Data", "Preparation", "Safetensors", "HuggingFace", "Checkpoints", "Metrics",
        "Configuration", "Generation",
      ]),
    testModule("TestSupport", ["Core", "Tensors", "Kernels", "Layers", "Models", "Objectives"]),
    .executableTarget(
      name: "MultiRankChecks",
      dependencies: [
        "Core", "Storage", "Tensors", "Kernels", "Models", "Objectives", "Optimizers", "Collectives", "Data",
        "Safetensors", "Checkpoints",
        "Metrics", "Machine", "Configuration", "Training", "Runs", "Audit", "Evaluation", "TestSupport",
      ],
      path: "Tests/MultiRankChecks", swiftSettings: policy + cpuFlags),
    .executableTarget(
      name: "ToyCommand", dependencies: ["Commands", "Objectives", "Safetensors", "Tensors", "TestSupport"],
      path: "Tests/ToyCommand",
      swiftSettings: policy + cpuFlags),
    .testTarget(
      name: "FuzzTests",
      dependencies: [
        "FuzzTargets", "Core", "Storage", "Safetensors", "HuggingFace", "Checkpoints", "Configuration", "Data",
      ],
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
        "Safetensors", "HuggingFace", "Models", "Layers", "Objectives", "Kernels", "Tensors", "Storage", "Core",
        "Collectives",
        "Optimizers", "Training", "Tokenizers",
      ]),
    suite("TokenizersTests", ["Tokenizers", "Storage", "Core"]),
    suite("DataTests", ["DataSupport", "Data", "Preparation", "Storage", "Core"]),
    suite("PreparationTests", ["DataSupport", "Preparation", "Data", "Safetensors", "Storage", "Core"]),
    suite("OptimizersTests", ["Optimizers", "Kernels", "Tensors", "Core"]),
    suite("CollectivesTests", ["Collectives", "Tensors", "Core"]),
    suite("SafetensorsTests", ["CheckpointSupport", "Safetensors", "Tensors", "Core"]),
    suite("HuggingFaceTests", ["CheckpointSupport", "HuggingFace", "Safetensors", "Storage", "Tensors", "Core"]),
    suite(
      "CheckpointsTests",
      ["CheckpointSupport", "Checkpoints", "HuggingFace", "Safetensors", "Storage", "Tensors", "Core"]),
    suite("MetricsTests", ["Metrics", "Storage", "Core"]),
    suite(
      "MachineTests",
      ["Machine", "Collectives", "Runs", "Audit", "Checkpoints", "Core", "RunSupport"]),
    suite(
      "ConfigurationTests", ["Configuration", "HuggingFace", "Safetensors", "Objectives", "Optimizers", "Core"]),
    suite(
      "TrainingTests",
      [
        "Training", "Runs", "Configuration", "Layers", "Kernels", "Models", "Objectives", "Data", "Collectives",
        "Optimizers", "Checkpoints", "Tensors", "Core", "TestSupport", "RunSupport", "HuggingFace", "Safetensors",
      ]),
    suite(
      "RunsTests",
      [
        "Runs", "Training", "Configuration", "Machine", "Objectives", "Data", "Collectives", "Safetensors",
        "Checkpoints", "Metrics", "Tensors", "Core", "Storage",
      ]),
    suite(
      "AuditTests",
      [
        "Audit", "Runs", "Training", "Configuration", "Layers", "Objectives", "Collectives", "Safetensors",
        "Checkpoints", "Tokenizers", "Core", "Storage", "TestSupport", "RunSupport",
      ]),
    suite("BenchmarksTests", ["Benchmarks", "Core"]),
    suite("DiagnosticsTests", ["Diagnostics", "Collectives"]),
    suite("GenerationTests", ["Generation", "Tokenizers", "Core"]),
    suite(
      "EvaluationTests",
      [
        "Evaluation", "Measures", "Models", "Layers", "Objectives", "Data", "DataSupport",
        "Tokenizers", "Collectives", "Tensors", "Kernels", "Storage", "Core", "TestSupport",
      ]),
    suite(
      "ClassificationTests",
      [
        "Classification", "Evaluation", "Models", "Layers", "Objectives", "Data", "DataSupport",
        "Tokenizers", "Collectives", "Safetensors", "Tensors", "Kernels", "Storage", "Core",
        "TestSupport",
      ]),
    suite(
      "MeasuresTests",
      [
        "Measures", "Evaluation", "Runs", "Configuration", "Objectives",
        "Data", "Core",
      ]),
    suite(
      "ComparisonTests",
      ["Comparison", "Measures", "Evaluation", "Configuration", "Optimizers", "Core"]),
    testModule(
      "RunSupport",
      ["Core", "Data", "Collectives", "Checkpoints", "Configuration", "Runs", "Audit"]),
    testModule("CheckpointSupport", ["Core", "Tensors", "Safetensors", "Checkpoints"]),
    testModule("DataSupport", ["Core", "Storage", "Tokenizers", "Data", "Preparation"]),
  ]
)

// `scripts/fuzz` alone sets this: the target has no main function of its own, libFuzzer brings one.
if getenv("LOCKSTEP_FUZZ") != nil {
  package.products.append(.executable(name: "fuzz", targets: ["FuzzDriver"]))
  package.targets.append(
    .executableTarget(
      name: "FuzzDriver", dependencies: ["FuzzTargets"], path: "Tests/FuzzDriver", swiftSettings: policy + cpuFlags))
}
