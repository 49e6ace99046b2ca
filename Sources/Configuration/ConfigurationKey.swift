/// A key of a configuration, as `lockstep train --keys` and docs/configuration.md list it.
public struct ConfigurationKey: Sendable, Equatable {
  /// The whole path, such as `optimizer.beta2`.
  public let key: String
  /// What kind of value it takes, or the choices there are.
  public let type: String
  /// What it is where it is left out, as TOML writes it.
  public let fallback: String
  /// The values allowed, where a range says it.
  public let range: String
  /// One sentence; empty for a key nobody has described, which a test refuses.
  public let sentence: String

  public var section: String { key.split(separator: ".").dropLast().joined(separator: ".") }
  public var name: String { key.split(separator: ".").last.map(String.init) ?? key }
}
