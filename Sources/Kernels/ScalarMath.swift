import Glibc

/// libm's logarithm. `exp` and friends of this module are vectors; the name keeps the two apart.
@inline(always) func naturalLogarithm(_ x: Double) -> Double { Glibc.log(x) }

/// Denormal numbers count as zero on the calling thread, for as long as it lives. A saturated softmax otherwise slows
/// products five-fold. Every thread that computes does this first; it is also part of what makes threads agree on bits.
public func flushDenormals() {
  var environment = fenv_t()
  fegetenv(&environment)
  #if arch(x86_64)
    environment.__mxcsr |= 0x8040
  #elseif arch(arm64)
    environment.__fpcr |= 1 << 24
  #endif
  fesetenv(&environment)
}

/// The same for the length of a call, on a thread that also does other things: a JSON parser, say, must still see
/// denormals.
public func withFlushedDenormals<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
  var environment = fenv_t()
  fegetenv(&environment)
  defer { fesetenv(&environment) }
  flushDenormals()
  return try body()
}
