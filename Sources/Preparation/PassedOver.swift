import Storage

/// What a search found and did not take, counted and named by the reason.
struct PassedOver: Sendable {
  /// In the order in which a sentence lists them.
  enum Reason: Hashable, Sendable {
    case deadLink, special(String), unreadable(String), unreadableFolder(String), foreign(String), seenBefore, output,
      ending, excluded, hidden

    /// Said of one.
    var words: String {
      switch self {
      case .deadLink: "a link to nothing"
      case .special(let kind): kind
      case .unreadable(let reason): "unreadable, \(reason)"
      case .unreadableFolder(let reason): "a folder that cannot be listed, \(reason)"
      case .foreign(let what): what
      case .seenBefore: "a folder reached before by another path"
      case .output: "the corpus itself"
      case .ending: "by the ending"
      case .excluded: "by --exclude"
      case .hidden: "a name that begins with a dot"
      }
    }

    /// Said of `count`.
    func words(_ count: Int) -> String {
      guard count > 1 else { return words }
      // A note on a single file, such as where it breaks, has no plural.
      let parts = words.split(separator: " ", maxSplits: 1).map(String.init)
      guard parts.count == 2, parts[0] == "a" || parts[0] == "an", !words.contains(where: ":,".contains) else {
        return "\(count) \(words)"
      }
      switch self {
      case .deadLink: return "\(count) links to nothing"
      case .seenBefore: return "\(count) folders reached before by another path"
      case .hidden: return "\(count) names that begin with a dot"
      default: return "\(count) \(parts[1])s"
      }
    }

    /// What may be missed: all of these are named, of the others a few.
    var isLoss: Bool {
      switch self {
      case .seenBefore, .output, .ending, .excluded, .hidden: false
      default: true
      }
    }
  }

  private struct Entry {
    var count = 0
    /// The first of them.
    var names: [String] = []
  }

  private var entries: [Reason: Entry] = [:]
  private var order: [Reason] = []
  private(set) var count = 0

  /// Names kept for a reason: a folder may hold millions of other files.
  private static let mostNames = 50

  mutating func add(_ reason: Reason, _ name: String) {
    count += 1
    if entries[reason] == nil { order.append(reason) }
    entries[reason, default: Entry()].count += 1
    if entries[reason, default: Entry()].names.count < Self.mostNames {
      entries[reason, default: Entry()].names.append(name)
    }
  }

  /// With what another search passed over.
  func adding(_ other: PassedOver) -> PassedOver {
    var sum = self
    for reason in other.order {
      guard let entry = other.entries[reason] else { continue }
      for name in entry.names { sum.add(reason, name) }
      let more = entry.count - entry.names.count
      sum.entries[reason, default: Entry()].count += more
      sum.count += more
    }
    return sum
  }

  /// Such as `3 files passed over: a link to nothing (in/b.txt); 2 by the ending (in/c.png, in/d.png)`; nil where there
  /// is none.
  var sentence: String? {
    guard count > 0 else { return nil }
    let losses = order.filter(\.isLoss) + order.filter { !$0.isLoss }
    let parts = losses.map { reason in
      let entry = entries[reason] ?? Entry()
      let shown = entry.names.prefix(reason.isLoss ? Self.mostNames : 3)
      return "\(reason.words(entry.count)) (\(shown.joined(separator: ", "))\(entry.count > shown.count ? ", …" : ""))"
    }
    return "\(count) \(count == 1 ? "file" : "files") passed over: \(parts.joined(separator: "; "))"
  }
}
