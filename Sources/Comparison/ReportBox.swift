import Foundation
import Metrics

extension ReportText {
  /// What the comparison was made of and with, a line each.
  var box: [(name: String, text: String)] {
    results.corpora.flatMap(corpus) + [("measured on", "the \(results.split) split, the last checkpoint of every run")]
      + machine
  }

  private func corpus(_ facts: CorpusFacts) -> [(name: String, text: String)] {
    // Records of numbers have no ids.
    if facts.vocabulary == 0 {
      func records(_ part: CorpusFacts.Part) -> String {
        "\(number(Double(part.documents))) \(part.documents == 1 ? "record" : "records")"
      }
      return [
        ("corpus", "\(facts.folder), SHA-256 \(facts.contentHash.prefix(16))…"),
        ("splits", "train: \(records(facts.train)); validation: \(records(facts.validation))"),
      ]
    }
    func part(_ part: CorpusFacts.Part) -> String {
      let documents = "\(number(Double(part.documents))) \(part.documents == 1 ? "document" : "documents")"
      return "\(documents), \(number(Double(part.tokens))) tokens, \(number(Double(part.textBytes))) bytes of text"
    }
    let rule = facts.splitRule == "tail" ? "the end of the text" : "whole documents by their hash"
    let perToken = Double(facts.validation.textBytes) / Double(max(1, facts.validation.tokens))
    return [
      ("corpus", "\(facts.folder), SHA-256 \(facts.contentHash.prefix(16))…"),
      (
        "tokeniser",
        "\(number(Double(facts.vocabulary))) ids, \(String(format: "%.2f", perToken)) bytes per token of validation, "
          + "SHA-256 \(facts.tokenizer.prefix(16))…"
      ),
      (
        "splits",
        "train: \(part(facts.train)); validation: \(part(facts.validation)); \(String(format: "%.3g", 100 * facts.validationFraction)) % held out, \(rule)"
      ),
    ]
  }

  private var machine: [(name: String, text: String)] {
    func unique(_ texts: [String]) -> String {
      texts.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }.joined(separator: "; ")
    }
    guard let first = starts.first, let last = starts.last else { return [("version", "Lockstep \(results.version)")] }
    let seconds = starts.reduce(0) { $0 + $1.seconds }
    let days = [Self.date(first.began), Self.date(last.began + last.seconds)]
    return [
      ("machine", unique(starts.map { "\(list($0.processors)), \($0.hosts) \($0.hosts == 1 ? "host" : "hosts")" })),
      ("kernel", unique(starts.map { "OpenBLAS \($0.kernel) (\($0.blas))" })),
      ("ranks", unique(starts.map { "\($0.ranks) × \($0.threads) \($0.threads == 1 ? "thread" : "threads")" })),
      ("date", days[0] == days[1] ? days[0] : days.joined(separator: " to ")),
      ("time taken", ProgressText.duration(seconds) + (starts.count > 1 ? " in \(starts.count) starts" : "")),
      ("version", "Lockstep " + unique(starts.map(\.version))),
    ]
  }

  /// In UTC, to the minute.
  static func date(_ secondsSince1970: Double) -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(identifier: "UTC")
    formatter.dateFormat = "yyyy-MM-dd HH:mm"
    return formatter.string(from: Date(timeIntervalSince1970: secondsSince1970)) + " UTC"
  }
}
