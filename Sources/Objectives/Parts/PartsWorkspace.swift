/// Memory of one worker for an objective that is made of several parts: a tuple or a structure of their workspaces.
public final class PartsWorkspace<Parts>: ObjectiveWorkspace {
  public let parts: Parts

  public init(_ parts: Parts) { self.parts = parts }

  /// The parts of a workspace that the objective itself made.
  public static func parts(of workspace: ObjectiveWorkspace) -> Parts {
    guard let own = workspace as? Self else { preconditionFailure("an objective got the workspace of another") }
    return own.parts
  }
}
