import Collectives
import Kernels

/// What `lockstep --version` prints.
enum Version {
  static let number = "0.1.0"

  static var text: String {
    let blas = BLAS.identity
    return """
      lockstep \(number)
      BLAS     \(blas.configuration), kernels \(blas.coreName)
      MPI      \(MPICommunicator.libraryVersion)
      """
  }
}
