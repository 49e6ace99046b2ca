import Commands

/// The program: `Commands` with the objectives of the registry.
@main
enum Main {
  static func main() { LockstepCommand.main(objectives: []) }
}
