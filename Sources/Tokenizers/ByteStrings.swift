/// Byte strings numbered from 0 in the order of their first insertion, found again by their bytes.
///
/// Open addressing over one arena of bytes: no allocation per string, so that millions of words and
/// vocabularies of any size cost their bytes and about 20 more each.
struct ByteStrings: Sendable {
  private var bytes: [UInt8] = []
  /// String `i` is `bytes[ends[i] ..< ends[i + 1]]`.
  private var ends: [Int] = [0]
  private var hashes: [UInt32] = []
  /// Number of the string in each slot, or -1. The count is a power of two and at least twice `count`.
  private var slots: [Int32]

  init(capacity: Int = 8) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = [Int32](repeating: -1, count: size)
    ends.reserveCapacity(capacity + 1)
    hashes.reserveCapacity(capacity)
  }

  var count: Int { hashes.count }

  /// A copy of string `index`.
  subscript(index: Int) -> [UInt8] { Array(bytes[ends[index]..<ends[index + 1]]) }

  /// Bytes of string `index`, borrowed.
  func withBytes<R>(_ index: Int, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
    bytes.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[ends[index]..<ends[index + 1]])) }
  }

  func length(_ index: Int) -> Int { ends[index + 1] - ends[index] }

  /// The number of `key`, or nil. - Complexity: O(length) expected.
  func find(_ key: UnsafeBufferPointer<UInt8>) -> Int? {
    let (_, found) = probe(key, Self.hash(key))
    return found < 0 ? nil : Int(found)
  }

  func find(_ key: [UInt8]) -> Int? { key.withUnsafeBufferPointer { find($0) } }

  func find(_ key: String) -> Int? { find(Array(key.utf8)) }

  /// The number of `key`, inserted when it is new.
  mutating func insert(_ key: UnsafeBufferPointer<UInt8>) -> (index: Int, isNew: Bool) {
    let hash = Self.hash(key)
    let (slot, found) = probe(key, hash)
    if found >= 0 { return (Int(found), false) }
    let index = count
    bytes.append(contentsOf: key)
    ends.append(bytes.count)
    hashes.append(hash)
    slots[slot] = Int32(index)
    if count * 2 > slots.count { grow() }
    return (index, true)
  }

  @discardableResult mutating func insert(_ key: [UInt8]) -> (index: Int, isNew: Bool) {
    key.withUnsafeBufferPointer { insert($0) }
  }

  private func probe(_ key: UnsafeBufferPointer<UInt8>, _ hash: UInt32) -> (slot: Int, found: Int32) {
    let mask = slots.count - 1
    var slot = Int(hash) & mask
    while true {
      let candidate = slots[slot]
      if candidate < 0 { return (slot, -1) }
      if hashes[Int(candidate)] == hash, equals(Int(candidate), key) { return (slot, candidate) }
      slot = (slot + 1) & mask
    }
  }

  private func equals(_ index: Int, _ key: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = ends[index]
    guard ends[index + 1] - start == key.count else { return false }
    for offset in 0..<key.count where bytes[start + offset] != key[offset] { return false }
    return true
  }

  private mutating func grow() {
    let mask = slots.count * 2 - 1
    slots = [Int32](repeating: -1, count: mask + 1)
    for index in 0..<count {
      var slot = Int(hashes[index]) & mask
      while slots[slot] >= 0 { slot = (slot + 1) & mask }
      slots[slot] = Int32(index)
    }
  }

  /// Eight bytes per step: multiply the running value by an odd constant to 128 bits and fold the halves.
  /// Little-endian loads, so the hash is the same on every machine Lockstep runs on.
  private static func hash(_ key: UnsafeBufferPointer<UInt8>) -> UInt32 {
    guard let base = UnsafeRawPointer(key.baseAddress) else { return 0x9E37_79B9 }
    var state = UInt64(truncatingIfNeeded: key.count) &* 0x9E37_79B9_7F4A_7C15
    var offset = 0
    while offset + 8 <= key.count {
      state = fold(state ^ base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
    }
    var tail: UInt64 = 0
    while offset < key.count {
      tail = tail << 8 | UInt64(key[offset])
      offset += 1
    }
    state = fold(state ^ tail)
    return UInt32(truncatingIfNeeded: state ^ (state >> 32))
  }

  private static func fold(_ value: UInt64) -> UInt64 {
    let product = (value ^ 0xA076_1D64_78BD_642F).multipliedFullWidth(by: 0xE703_7ED1_A0B4_28DB)
    return product.high ^ product.low
  }
}
