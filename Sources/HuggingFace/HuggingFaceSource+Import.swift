import Core
import Safetensors
import Tensors

/// What an import did besides copying.
public struct ImportReport: Sendable, Equatable {
  /// Tensors of the source that the model has no use for, such as buffers and poolers.
  public var ignored: [String] = []
  /// Parameters that had rows added, and how many.
  public var grown: [String: Int] = [:]
  /// One sentence for each thing a person should know.
  public var warnings: [String] = []
}

/// Gives values to the rows a larger vocabulary adds: the parameter's name, the rows there were, the rows to fill.
public typealias RowInitializer = @Sendable (_ name: String, _ existing: TensorView, _ added: TensorView) -> Void

extension HuggingFaceSource {
  /// The mean of the existing rows for every added one, summed in doubles in order of rows: new tokens begin
  /// as an average token, and the logits of the others hardly change.
  public static let meanOfRows: RowInitializer = { _, existing, added in
    var sums = [Double](repeating: 0, count: existing.columns)
    for row in 0..<existing.rows {
      for column in 0..<existing.columns { sums[column] += Double(existing[row, column]) }
    }
    for row in 0..<added.rows {
      for column in 0..<added.columns { added[row, column] = Float(sums[column] / Double(max(existing.rows, 1))) }
    }
  }

  /// Copies the weights into the parameters of `target`, which may have a larger vocabulary, and fewer
  /// positions or token types, than the source; everything else must be equal.
  ///
  /// The target's first ids must be the source's. A tied head, its bias and the embedding grow together.
  ///
  /// - Parameters:
  ///   - prefix: stands before the parameters' names in the store, of which those it does not have are then passed
  ///     over: an exported network shares them with the main network.
  ///   - encoderOnly: passes over what the store does not have, such as a decoder and a head.
  /// - Throws: `CheckpointError` that lists what does not fit, or the first tensors that are missing.
  public func load(
    into store: ParameterStore, as target: ModelConfiguration, prefix: String = "", encoderOnly: Bool = false,
    addedRows: RowInitializer = HuggingFaceSource.meanOfRows
  ) throws(CheckpointError) -> ImportReport {
    try checkFit(target)
    var shape = target
    // Dropout decides whether Llama's class can train the model, not what its tensors are called.
    shape.dropout = 0
    let wanted = HuggingFaceNames.tensors(for: shape, as: family.flatMap { shape.isComputed(by: $0) ? $0 : nil })
    guard !wanted.isEmpty else { return try loadOwnNames(into: store) }
    let found = try find(wanted)
    var report = ImportReport()
    let isWhole = prefix.isEmpty && !encoderOnly
    for (tensor, name) in zip(wanted, found) where isWhole || tensor.view(in: store, prefix: prefix) != nil {
      try copy(tensor, from: name, into: store, prefix: prefix, target, addedRows, &report)
    }
    let used = Set(found)
    report.ignored = names.filter { !used.contains($0) }
    report.warnings = tiedDifferences(target, used: used)
    return report
  }

  /// Refuses a folder whose encoder is not that of `target`; what stands on it, and rows that its input learned beyond
  /// those of `target`, do not matter.
  public func requireEncoder(_ target: ModelConfiguration) throws(CheckpointError) {
    var wanted = target
    (wanted.decoder, wanted.head, wanted.headTransform) = (
      configuration.decoder, configuration.head, configuration.headTransform
    )
    wanted.learnedRows = max(configuration.learnedRows, target.learnedRows)
    try checkFit(wanted)
  }

  /// Refuses a target that the weights are not for, naming every difference.
  private func checkFit(_ target: ModelConfiguration) throws(CheckpointError) {
    if target.positionEmbedding == .learned, configuration.maxPosition < target.maxPosition {
      throw CheckpointError(
        "import", path,
        "the context is longer than the positions of init.from (\(target.maxPosition) against \(configuration.maxPosition))",
        remedy: "Set model.max_position to at most \(configuration.maxPosition).", exitCode: .usage)
    }
    if configuration.vocabSize > target.vocabSize {
      throw CheckpointError(
        "import", path, "its vocabulary has \(configuration.vocabSize) ids, and the tokeniser only \(target.vocabSize)",
        remedy: "Use the tokeniser of init.from, or one that adds to it.")
    }
    var adapted = configuration
    (adapted.vocabSize, adapted.maxPosition) = (target.vocabSize, target.maxPosition)
    (adapted.dropout, adapted.attentionDropout) = (target.dropout, target.attentionDropout)
    if target.typeVocabSize > 0, target.typeVocabSize < configuration.typeVocabSize {
      adapted.typeVocabSize = target.typeVocabSize
    }
    let differences = adapted.differences(from: target)
    guard differences.isEmpty else {
      throw CheckpointError(
        "import", path, "it does not fit the configuration: \(differences.joined(separator: ", "))",
        remedy: "Set [model] to what the folder's config.json says.", exitCode: .usage)
    }
  }

  /// The name in the source of each wanted tensor.
  private func find(_ wanted: [HuggingFaceTensor]) throws(CheckpointError) -> [String] {
    var found: [String] = []
    var missing: [String] = []
    for tensor in wanted {
      if let name = Self.spellings(of: tensor.fileName).first(where: { description(of: $0) != nil }) {
        found.append(name)
      } else {
        missing.append(tensor.fileName)
      }
    }
    guard !missing.isEmpty else { return found }
    let more = missing.count > 4 ? " and \(missing.count - 4) more" : ""
    throw CheckpointError("import", path, "it has no \(missing.prefix(4).joined(separator: ", "))\(more)")
  }

  /// The ways a tensor has been spelt over the years: with and without the prefix of the base model, and
  /// with the old names of a LayerNorm's parameters. The two biases of BERT's head are one and the same.
  static func spellings(of name: String) -> [String] {
    var spellings = [name]
    // What version 5 of the library makes of a decoder's layers when it saves them.
    if name.hasPrefix("decoder.decoder_layers.") {
      spellings.append("decoder.decoder_encoder.layer." + name.dropFirst("decoder.decoder_layers.".count))
    }
    for prefix in ["transformer.", "bert.", "electra.", "model."] where name.hasPrefix(prefix) {
      spellings.append(String(name.dropFirst(prefix.count)))
    }
    if name == "cls.predictions.bias" { spellings.append("cls.predictions.decoder.bias") }
    if name == "cls.predictions.decoder.bias" { spellings.append("cls.predictions.bias") }
    for spelling in spellings where spelling.contains("LayerNorm.") {
      spellings.append(
        spelling.hasSuffix("weight") ? String(spelling.dropLast(6)) + "gamma" : String(spelling.dropLast(4)) + "beta")
    }
    return spellings
  }

  /// Copies one tensor; of the tables with a row per id, position or type, as many rows as both have.
  private func copy(
    _ tensor: HuggingFaceTensor, from name: String, into store: ParameterStore, prefix: String,
    _ target: ModelConfiguration,
    _ addedRows: RowInitializer, _ report: inout ImportReport
  ) throws(CheckpointError) {
    guard let view = tensor.view(in: store, prefix: prefix), let file = file(of: name), let source = file[name] else {
      preconditionFailure("the model declares no parameter \(tensor.internalName), which \(tensor.fileName) is made of")
    }
    guard let rows = Self.sourceRows(of: tensor.internalName, configuration) else {
      try requireShape(source, tensor.shape, file)
      return try file.read(name, into: view)
    }
    try requireShape(source, [rows] + tensor.shape.dropFirst(), file)
    let table = view.shaped(tensor.shape[0], view.count / max(tensor.shape[0], 1))
    try file.read(name, into: table.first(min(rows, table.rows)))
    if rows < table.rows {
      addedRows(tensor.internalName, table.first(rows), table.rows(rows..<table.rows))
      report.grown[tensor.internalName] = table.rows - rows
    }
  }

  /// Rows the source's table has, for the parameters that may differ in them.
  private static func sourceRows(of internalName: String, _ source: ModelConfiguration) -> Int? {
    switch internalName {
    case "embedding.token", "head.weight", "head.bias": source.vocabSize
    // Positions of a grid are those of its cells, of which none can be left out.
    case "embedding.position": source.inputSize > 0 ? nil : source.maxPosition
    case "embedding.type": source.typeVocabSize
    default: nil
    }
  }

  private func requireShape(_ tensor: TensorDescription, _ shape: [Int], _ file: SafetensorsFile)
    throws(CheckpointError)
  {
    guard tensor.shape == shape else {
      throw CheckpointError(
        "import", file.path, "tensor \(tensor.name) has the shape \(tensor.shape), and config.json makes it \(shape)")
    }
  }

  /// A head that the configuration ties to the embedding, and that the file holds with other values.
  private func tiedDifferences(_ target: ModelConfiguration, used: Set<String>) -> [String] {
    let tables = ["word_embeddings.weight", "wte.weight", "embed_tokens.weight"]
    guard target.tieWordEmbeddings,
      let embedding = used.first(where: { name in tables.contains { name.hasSuffix($0) } })
    else { return [] }
    return ["lm_head.weight", "cls.predictions.decoder.weight", "generator_lm_head.weight"].compactMap { head in
      guard let file = file(of: head), file[embedding] != nil, !file.same(head, embedding) else { return nil }
      return "\(path): \(head) differs from \(embedding), but config.json ties them; the embedding is used."
    }
  }

  /// A folder of this project's own, for a model without a Hugging Face class.
  private func loadOwnNames(into store: ParameterStore) throws(CheckpointError) -> ImportReport {
    guard configuration.vocabSize == store.layout.entry(named: "embedding.token")?.rows ?? configuration.vocabSize
    else {
      throw CheckpointError("import", path, "a vocabulary can only grow for models that have a Hugging Face class")
    }
    for entry in store.layout.entries {
      guard let file = file(of: entry.name), let tensor = file[entry.name] else {
        throw CheckpointError("import", path, "it has no \(entry.name)")
      }
      try requireShape(tensor, entry.spec.shape, file)
      try file.read(entry.name, into: store.view(entry.index))
    }
    return ImportReport(ignored: names.filter { store.layout.entry(named: $0) == nil })
  }
}

extension ModelConfiguration {
  /// Settings in which two shapes differ, as `key (this against that)`.
  func differences(from other: ModelConfiguration) -> [String] {
    var found: [String] = []
    func compare<Value: Equatable>(_ key: String, _ path: KeyPath<Self, Value>) {
      let (own, wanted) = (self[keyPath: path], other[keyPath: path])
      if own != wanted { found.append("\(key) (\(own) against \(wanted))") }
    }
    func compareDecoders(_ key: String, _ path: KeyPath<DecoderShape, Int>) {
      let (own, wanted) = (decoder?[keyPath: path], other.decoder?[keyPath: path])
      func text(_ number: Int?) -> String { number.map(String.init) ?? "none" }
      if own != wanted { found.append("\(key) (\(text(own)) against \(text(wanted)))") }
    }
    compare("attention_mask", \.attentionMask)
    compare("vocab_size", \.vocabSize)
    compare("max_position", \.maxPosition)
    compare("hidden_size", \.hiddenSize)
    compare("num_layers", \.numLayers)
    compare("num_heads", \.numHeads)
    compare("intermediate_size", \.intermediateSize)
    compare("norm", \.norm)
    compare("norm_placement", \.normPlacement)
    compare("norm_eps", \.normEps)
    compare("activation", \.activation)
    compare("position_embedding", \.positionEmbedding)
    if positionEmbedding == .rotary { compare("rope_theta", \.ropeTheta) }
    compare("tie_word_embeddings", \.tieWordEmbeddings)
    compare("bias", \.bias)
    compare("type_vocab_size", \.typeVocabSize)
    compare("head_transform", \.headTransform)
    compare("input_size", \.inputSize)
    compare("embedding_size", \.resolvedEmbeddingSize)
    compare("head", \.head)
    compare("leading_rows", \.leadingRows)
    compare("learned_rows", \.learnedRows)
    compare("position_grid", \.positionGrid)
    compare("patch", \.patch)
    compareDecoders("decoder_hidden_size", \.hiddenSize)
    compareDecoders("decoder_num_layers", \.numLayers)
    compareDecoders("decoder_num_heads", \.numHeads)
    compareDecoders("decoder_intermediate_size", \.intermediateSize)
    return found
  }
}
