/// A map from pairs of symbols to 64-bit values: open addressing, keys and values side by side.
struct PairMap: Sendable {
  /// What `find` gives for a pair that is not there; no value may be equal to it.
  static let absent = UInt64.max
  private static let empty = UInt64.max

  private var entries: [(key: UInt64, value: UInt64)]
  private(set) var count = 0

  init(capacity: Int = 8) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    entries = Array(repeating: (Self.empty, 0), count: size)
  }

  static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// The value of (left, right), or `absent`. - Complexity: O(1) expected.
  @inline(__always) func find(_ left: Int32, _ right: Int32) -> UInt64 {
    let key = Self.key(left, right)
    let entry = entries[slot(of: key)]
    return entry.key == key ? entry.value : Self.absent
  }

  /// Sets the value of `key`; a later value replaces an earlier one.
  mutating func set(_ key: UInt64, _ value: UInt64) {
    let slot = slot(of: key)
    if entries[slot].key == Self.empty { count += 1 }
    entries[slot] = (key, value)
    if count * 2 > entries.count { grow() }
  }

  /// The slot that holds `key`, or the empty one where it belongs.
  @inline(__always) private func slot(of key: UInt64) -> Int {
    let mask = entries.count - 1
    // The high bits of a product depend on all of the key; its low ones on the right symbol alone, which many pairs
    // share.
    let product = (key ^ key >> 29).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    var slot = Int(truncatingIfNeeded: product.high ^ product.low) & mask
    while entries[slot].key != key, entries[slot].key != Self.empty { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    let old = entries
    entries = Array(repeating: (Self.empty, 0), count: old.count * 2)
    for entry in old where entry.key != Self.empty { entries[slot(of: entry.key)] = entry }
  }
}
