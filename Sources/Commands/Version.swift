import Collectives
import Comparison
import Core
import Kernels
import Machine

extension Version {
  /// What `lockstep --version` prints.
  static var text: String {
    let (blas, kernel) = (BLAS.identity, ComputeKernel.current)
    // What a command that computes would use; this one has not started anew for it.
    let core = kernel.reason == .requested ? kernel.core : kernel.best
    return """
      lockstep \(number)
      BLAS     \(blas.configuration), kernels \(core)
      MPI      \(MPICommunicator.libraryVersion)
      """
  }
}
