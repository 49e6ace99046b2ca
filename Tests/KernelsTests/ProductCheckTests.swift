import Kernels
import Testing

@Suite struct ProductCheckTests {
  @Test func theKernelsOfThisCPUAreRight() { #expect(ProductCheck().firstWrong() == nil) }

  /// Each stands for a kind of fault that a kernel may have on a CPU.
  @Test(arguments: [
    "one element", "last column of odd widths", "beta", "transposed A", "deep products", "small matrices",
    "reads what it overwrites", "outside",
  ])
  func aPlantedWrongKernelIsFound(fault: String) {
    let check = ProductCheck { call in
      var call = call
      let (m, n) = (call.m, call.n)
      var broken = false
      switch fault {
      case "beta": call.beta = 0
      case "transposed A": broken = call.transposeA
      case "deep products": broken = call.k > 512
      case "small matrices": broken = call.m * call.n * call.k < 100
      case "one element": broken = m * n > 10_000
      case "reads what it overwrites": call.beta = 1
      case "last column of odd widths": broken = n % 4 == 3
      default: break
      }
      ProductCheck.blas(call)
      if broken { call.c[(m - 1) * call.ldc + n - 1] += 1e-3 }
      // Too few columns: the last ones keep what they were.
      if fault == "outside", n > 1 { for i in 0..<m { call.c[i * call.ldc + n - 1] = call.c[i * call.ldc + n] } }
    }
    #expect(check.firstWrong() != nil, "\(fault) was not seen")
  }

  @Test func theSentenceNamesTheProduct() {
    let check = ProductCheck { call in
      ProductCheck.blas(call)
      if call.transposeB, call.m == 7 { call.c[2] = 100 }
    }
    #expect(
      check.firstWrong()?.hasPrefix("A·Bᵀ of 7 × 9 by 9 × 5 has 100.0 at row 0, column 2 instead of ") == true,
      "\(check.firstWrong() ?? "")")
  }
}
