/// Options of an objective, of a measure, or a group of them.
public protocol ConfigurableOptions: Codable, Sendable, Equatable {
  /// The defaults.
  init()
  /// A sentence for each option, with the values allowed: what docs/configuration.md says of it.
  static var sentences: [String: String] { get }
}

extension ConfigurableOptions {
  public static var sentences: [String: String] { [:] }
}

/// Options that several objectives or measures share, and one's own, side by side in one section: a key of the file
/// does not say which of the two groups it belongs to. Both groups' properties are properties of this type.
///
/// - Precondition: no property of one group has the name of one of the other.
@dynamicMemberLookup
public struct CombinedOptions<Shared: ConfigurableOptions, Own: ConfigurableOptions>: ConfigurableOptions {
  public var shared = Shared()
  public var own = Own()

  public init() {}

  public subscript<Value>(dynamicMember path: WritableKeyPath<Shared, Value>) -> Value {
    get { shared[keyPath: path] }
    set { shared[keyPath: path] = newValue }
  }

  public subscript<Value>(dynamicMember path: WritableKeyPath<Own, Value>) -> Value {
    get { own[keyPath: path] }
    set { own[keyPath: path] = newValue }
  }

  public static var sentences: [String: String] { Shared.sentences.merging(Own.sentences) { $1 } }

  public init(from decoder: any Decoder) throws { (shared, own) = (try Shared(from: decoder), try Own(from: decoder)) }

  public func encode(to encoder: any Encoder) throws {
    try shared.encode(to: encoder)
    try own.encode(to: encoder)
  }
}

/// What `optionProperties` looks into.
private protocol Combined {
  var groups: [Any] { get }
}

extension CombinedOptions: Combined {
  fileprivate var groups: [Any] { [shared, own] }
}

/// The options with their values, in the order in which they are declared; those of combined groups one after the
/// other.
public func optionProperties(_ options: Any) -> [(name: String, value: Any)] {
  if let combined = options as? any Combined { return combined.groups.flatMap(optionProperties) }
  return Mirror(reflecting: options).children.compactMap { child in child.label.map { ($0, child.value) } }
}
