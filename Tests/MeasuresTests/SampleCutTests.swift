import Configuration
import Core
import Data
import Objectives
import Runs
import Testing

/// How samples are cut, by what the objective needs.
@Suite struct SampleCutTests {
  private let framed = Vocabulary(size: 9, mask: 1, cls: 2, sep: 3)
  private let bare = Vocabulary(size: 9, mask: 1)

  private func cut(_ name: String, _ frame: RunConfiguration.Data.Frame, _ vocabulary: Vocabulary) throws -> SampleCut {
    let entry = try #require(ObjectiveRegistry.entry(named: name))
    return try SampleCut(frame, entry, entry.defaultOptions, vocabulary)
  }

  @Test func objectivesThatTakeAnything() throws {
    #expect(try cut("ar", .auto, framed).framing == .none)
    #expect(try cut("mlm", .auto, framed).framing == .clsSep)
    #expect(try cut("mlm", .none, framed).framing == .none)
    #expect(try cut("mlm", .auto, bare).documents == nil)
  }

  @Test(arguments: ["retromae", "dupmae"])
  func objectivesThatReadTheFrame(name: String) throws {
    #expect(try cut(name, .auto, framed).framing == .clsSep)
    #expect { _ = try cut(name, .none, framed) } throws: {
      "\($0)" == "data.frame is none, but \(name) reads the vector of [CLS]; set it to cls-sep."
    }
    #expect { _ = try cut(name, .auto, bare) } throws: {
      "\($0)".hasPrefix("objective.name is \(name), which reads the vector of [CLS]")
    }
  }

  @Test func objectivesOfDocuments() throws {
    let cut = try cut("mpp", .auto, framed)
    #expect(cut.framing == .none && cut.documents?.unit == 1)
    var options = MaskedSetPrediction.Options()
    options.roles = true
    let entry = try #require(ObjectiveRegistry.entry(named: "mpp"))
    #expect(try SampleCut(.auto, entry, options, framed).documents?.unit == 2)
    #expect { _ = try self.cut("mpp", .clsSep, framed) } throws: {
      "\($0)".hasPrefix("data.frame is cls-sep, but mpp takes each document")
    }
  }
}
