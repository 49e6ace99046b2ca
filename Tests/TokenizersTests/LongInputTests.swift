import Core
import Foundation
import Testing

@testable import Tokenizers

/// Work that must not go with the square of its input, and the shortcuts that see to it.
@Suite("Long inputs", .timeLimit(.minutes(2))) struct LongInputTests {
  private static let marks: [UInt32] = [
    0x300, 0x301, 0x302, 0x308, 0x304, 0x313, 0x323, 0x327, 0x328, 0x334, 0x338, 0x344, 0x345, 0x34F, 0x591, 0x5B0,
    0x64B, 0x93C, 0x94D, 0x3099, 0x1D165, 0x20D0,
  ]
  private static let bases: [UInt32] = [0x61, 0x6F, 0xE9, 0x1EAD, 0x3B1, 0x1100, 0xAC00, 0x915, 0x4E2D, 0x1D157, 0x20]

  /// Sequences on both sides of the limit, against a plain writing-down of the standard: the library's own is wrong
  /// beyond 64 marks.
  @Test func longSequencesOfMarksAreOrderedAndComposed() {
    let random = CounterGenerator(seed: 5, purpose: .evaluation)
    for round in 0..<120 {
      let draw = random.at(position: UInt64(round), site: 2)
      var text = String.UnicodeScalarView()
      for part in 0..<1 + draw.below(3, 0) {
        text.append(
          contentsOf: [Self.bases[draw.below(Self.bases.count, 10 * part + 1)]].compactMap(Unicode.Scalar.init))
        let kinds = 1 + draw.below(Self.marks.count, 10 * part + 2)
        for mark in 0..<draw.below(200, 10 * part + 3) {
          text.append(
            contentsOf: [Self.marks[draw.below(kinds, 1000 * (part + 1) + mark)]].compactMap(Unicode.Scalar.init))
        }
      }
      let string = String(text)
      let (decomposed, composed) = Self.normalized(string)
      #expect(Composition.decompose(Array(string.utf8)) == Array(String(decomposed).utf8), "round \(round)")
      #expect(Composition.compose(Array(string.utf8)) == Array(String(composed).utf8), "round \(round)")
    }
  }

  /// Both forms by the standard's algorithm, from decompositions of single characters and compositions of pairs.
  private static func normalized(_ text: String) -> (String.UnicodeScalarView, String.UnicodeScalarView) {
    func order(_ scalar: Unicode.Scalar) -> UInt8 { scalar.properties.canonicalCombiningClass.rawValue }
    var scalars = text.unicodeScalars.flatMap {
      Array(String(Character($0)).decomposedStringWithCanonicalMapping.unicodeScalars)
    }
    for end in scalars.indices.dropFirst() {
      var place = end
      while place > 0, order(scalars[place]) > 0, order(scalars[place - 1]) > order(scalars[place]) {
        scalars.swapAt(place, place - 1)
        place -= 1
      }
    }
    let decomposed = String.UnicodeScalarView(scalars)
    var composed: [Unicode.Scalar] = []
    var starter: Int?
    for scalar in scalars {
      let before = composed.last.map(order) ?? 0
      let isNext = starter == composed.count - 1 || (before > 0 && before < order(scalar))
      if let starter, isNext, composed[starter].value < 0x1_0000 || scalar.value >= 0x1_0000 {
        let pair = String(String.UnicodeScalarView([composed[starter], scalar])).precomposedStringWithCanonicalMapping
          .unicodeScalars
        if pair.count == 1, let both = pair.first {
          composed[starter] = both
          continue
        }
      }
      if order(scalar) == 0 { starter = composed.count }
      composed.append(scalar)
    }
    return (decomposed, String.UnicodeScalarView(composed))
  }

  @Test func endlessMarksAndWordsWithoutBlanks() throws {
    let marks = Array(("a" + String(repeating: "\u{301}\u{323}", count: 20_000) + "b\u{301}").utf8)
    let composed = Composition.compose(marks)
    #expect(
      composed.count == marks.count && composed.starts(with: "\u{1EA1}".utf8)
        && composed.suffix(3) == Array("b\u{301}".utf8)[...])
    let bert = try TokenizerLoader.load(Goldens.folder + "/wordpiece.json")
    #expect(bert.encode(marks).count <= 2)
    let pairs = try TokenizerLoader.load(Goldens.folder + "/trained.json")
    for text in ["a", "the", " ", "\n ", "é", "1", "'s", "\u{1100}", "\u{0915}\u{094D}"] {
      let long = String(repeating: text, count: 20_000)
      #expect(pairs.decode(pairs.encode(long), skipSpecial: false) == Array(long.utf8))
      _ = bert.encode(long)
    }
  }

  @Test func thousandsOfAddedTokensWithOneBeginning() throws {
    let names = (0..<20_000).map { "<" + String(repeating: "a", count: 40) + String($0) + ">" }
    let added = names.enumerated().map { AddedToken(id: Int32($0.offset), content: Array($0.element.utf8)) }
    try AddedToken.check(added, modelIDs: ByteStrings(), place: "here")
    let matcher = AddedTokenMatcher(added)
    let text = Array((names[7] + "x" + names[19_999] + String(repeating: "<a", count: 20_000)).utf8)
    var found: [Int32] = []
    text.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      matcher.forEachSegment(base, 0..<text.count, specialIsText: false) {
        if case .token(let id) = $0 { found.append(id) }
      }
    }
    #expect(found == [7, 19_999])
  }

  @Test func anEndlessAddedTokenIsRefused() {
    let json =
      #"{"added_tokens":[{"id":1,"content":"\#(String(repeating: "x", count: 2_000_000))"}],"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}"#
    #expect(
      sentence { _ = try TokenizerLoader.load(json: Array(json.utf8)) }?.contains(
        "has 2000000 bytes; at most 1024 are read.") == true)
  }

  /// Against looking at every pattern.
  @Test func theLongestPatternIsFound() {
    let random = CounterGenerator(seed: 9, purpose: .evaluation)
    for round in 0..<200 {
      let draw = random.at(position: UInt64(round), site: 3)
      func word(_ site: Int, _ length: Int) -> [UInt8] { (0..<length).map { UInt8(97 + draw.below(2, site + $0)) } }
      let list = (0..<draw.below(12, 0)).map { word(100 * $0 + 1, draw.below(5, 100 * $0 + 50)) }
      let (patterns, text) = (SortedPatterns(list), word(5000, 12))
      for start in text.indices {
        let best = list.indices.filter { !list[$0].isEmpty && text[start...].starts(with: list[$0]) }
          .max { (list[$0].count, -$0) < (list[$1].count, -$1) }
        let found = text.withUnsafeBufferPointer { patterns.longest($0.baseAddress!, start, text.count) }
        #expect(found?.index == best && found?.end == best.map { start + list[$0].count })
      }
    }
  }
}
