import FuzzTargets

#if canImport(Glibc)
  import Glibc
#endif

/// The reader under test, from `LOCKSTEP_FUZZ_TARGET`; each has its own corpus of inputs.
private let reader: FileReader = {
  let name = getenv("LOCKSTEP_FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let reader = FileReader.all.first(where: { $0.name == name }) else {
    preconditionFailure(
      "LOCKSTEP_FUZZ_TARGET is \"\(name)\"; it must be one of \(FileReader.all.map(\.name).joined(separator: ", "))")
  }
  return reader
}()

private let scratch = ScratchFolder(getenv("LOCKSTEP_FUZZ_SCRATCH").map { String(cString: $0) })

/// What libFuzzer calls with every input; ending the process is how a finding is reported.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  if let complaint = reader.complaint(about: bytes, in: scratch) {
    // A release build leaves the sentences of preconditions out.
    let line = Array("Fatal error: \(reader.name): \(complaint)\n".utf8)
    _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    abort()
  }
  return 0
}
