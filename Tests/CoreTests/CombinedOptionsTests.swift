import Core
import Foundation
import Testing

private struct Common: ConfigurableOptions {
  var train = ""
  var header = true

  static let sentences = ["train": "A file."]

  init() {}
}

private struct Own: ConfigurableOptions {
  var neighbours = 20

  static let sentences = ["neighbours": "Neighbours that vote."]

  init() {}
}

struct CombinedOptionsTests {
  private typealias Options = CombinedOptions<Common, Own>

  @Test("both groups' properties stand side by side in one object, and are read back from it")
  func groupsShareOneSection() throws {
    var options = Options()
    (options.train, options.neighbours) = ("a.tsv", 3)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text = String(decoding: try encoder.encode(options), as: UTF8.self)
    #expect(text == #"{"header":true,"neighbours":3,"train":"a.tsv"}"#)
    #expect(try JSONDecoder().decode(Options.self, from: Data(text.utf8)) == options)
    #expect(options.shared.train == "a.tsv" && options.own.neighbours == 3)
  }

  @Test("the properties are listed with those of the shared group first, and each has its sentence")
  func propertiesAreListed() {
    #expect(optionProperties(Options()).map(\.name) == ["train", "header", "neighbours"])
    #expect(Options.sentences == ["train": "A file.", "neighbours": "Neighbours that vote."])
  }
}
