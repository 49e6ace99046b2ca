import Checkpoints
import Configuration
import Core
import Foundation
import Metrics

extension FileReader {
  static let runReaders = [
    FileReader("configuration", place: "") { bytes, _ in
      let text = String(decoding: bytes, as: UTF8.self)
      let configuration = try RunConfiguration(toml: text, place: "my.toml")
      // What a run writes it must be able to read.
      _ = try RunConfiguration(toml: configuration.toml, place: "config.toml")
      _ = try configuration.steps(samplesPerEpoch: 1 << 40, tokensPerSample: configuration.model.maxPosition)
    },
    FileReader("setting", place: "") { bytes, _ in
      let base = "data.corpus = \"c\"\nduration.steps = 1\n"
      _ = try RunConfiguration(toml: base, place: "my.toml", settings: [String(decoding: bytes, as: UTF8.self)])
    },
    FileReader("metrics", place: "metrics.jsonl") { bytes, scratch in
      let path = try scratch.write(bytes, to: "metrics.jsonl")
      let records = try MetricsLog.records(at: path)
      for logarithmic in [false, true] { _ = LearningCurve(records).svg(.init(logarithmicSteps: logarithmic)) }
      let log = try MetricsLog(path, resumedStep: 3)
      for record in records.prefix(4) { try log.append(record) }
      let kept = try MetricsLog.records(at: path).dropLast(min(records.count, 4))
      try demand(kept.allSatisfy { $0.step <= 3 }, "a later record stayed")
    },
    FileReader("run-folder", place: "run-folder") { bytes, scratch in
      scratch.clear("run-folder")
      let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { Array($0) }
      let latest = try scratch.write(lines.first ?? [], to: "run-folder/latest")
      let run = RunFolder(String(latest.dropLast("/latest".count)))
      _ = try scratch.write(lines.dropFirst().first ?? [], to: "run-folder/best")
      try run.prepare()
      for line in lines.dropFirst(2).prefix(8) {
        let name = String(decoding: line, as: UTF8.self)
        guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")), !name.utf8.contains(0), name != ".", name != "..",
          name.utf8.count < 200
        else { continue }
        _ = try scratch.write([], to: "run-folder/launches/" + name)
        mkdir(run.checkpointsPath + "/" + name, 0o700)
      }
      try run.writeLaunch(Array("{}".utf8))
      _ = try run.steps()
      // Each of these may refuse; none may keep the others from being tried.
      let attempts: [() throws -> Void] = [
        { _ = try run.latest() }, { _ = try run.best() }, { _ = try RunSummary(of: run).lines },
        { _ = try run.newestIntact() },
        { try run.prune(RetentionPolicy(keepLast: 1, everySteps: 2)) },
      ]
      let outcomes = attempts.map { attempt in Result { try attempt() } }
      for outcome in outcomes { try outcome.get() }
    },
  ]
}
