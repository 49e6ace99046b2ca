/// A trained network beside the main one that other programs can open: a generator.
public struct ExportedNetwork: Sendable, Equatable {
  /// Of its folder in an export. Its parameters' names begin with it and a point, save those it shares with the main
  /// network.
  public var name: String
  public var configuration: ModelConfiguration
  /// Name of the family of Hugging Face classes that opens it, where it computes this configuration.
  public var family: String

  public init(_ name: String, _ configuration: ModelConfiguration, _ family: String) {
    (self.name, self.configuration, self.family) = (name, configuration, family)
  }

  public var prefix: String { name + "." }
}
