import Core
import Storage

/// What a special token is for.
public enum SpecialRole: String, Sendable, CaseIterable {
  case pad, bos, eos, mask, cls, sep, unknown

  /// How Lockstep spells the token when it makes one.
  public var spelling: String { spellings[0] }

  /// The usual spellings, the likeliest first.
  var spellings: [String] {
    switch self {
    case .pad: ["[PAD]", "<pad>", "<|pad|>", "<|padding|>", "<|finetune_right_pad_id|>"]
    case .bos: ["[BOS]", "<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"]
    case .eos: ["[EOS]", "</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"]
    case .mask: ["[MASK]", "<mask>", "<|mask|>"]
    case .cls: ["[CLS]", "<cls>"]
    case .sep: ["[SEP]", "<sep>"]
    case .unknown: ["[UNK]", "<unk>", "<|unk|>"]
    }
  }

  /// The key of this role in `tokenizer_config.json` and `special_tokens_map.json`.
  var configurationKey: String { self == .unknown ? "unk_token" : "\(rawValue)_token" }
}

/// Which token plays which role.
struct SpecialRoles: Sendable, Equatable {
  private var ids: [SpecialRole: Int32] = [:]

  subscript(_ role: SpecialRole) -> Int32? {
    get { ids[role] }
    set { ids[role] = newValue }
  }

  /// What the configuration files name, then the usual spellings among the added tokens.
  ///
  /// A name that no token has is passed over: the role is then free for `addingSpecials`.
  init(added: [AddedToken], configurations: [ByteJSON] = [], find: ([UInt8]) -> Int32?) {
    for role in SpecialRole.allCases {
      let named = configurations.compactMap { Self.name(in: $0, of: role).flatMap(find) }.first
      ids[role] = named ?? Self.usual(role, among: added)
    }
  }

  private static func name(in configuration: ByteJSON, of role: SpecialRole) -> [UInt8]? {
    let value = configuration[role.configurationKey]
    return value?.bytes ?? value?["content"]?.bytes
  }

  private static func usual(_ role: SpecialRole, among added: [AddedToken]) -> Int32? {
    role.spellings.lazy.compactMap { spelling in
      added.first { $0.content.elementsEqual(spelling.utf8) }?.id
    }.first
  }

  /// These roles with those of `wanted` that are free given to new tokens after all others in `added`.
  /// - Parameter maskStripsLeft: a new [MASK] takes the white space before it, as it must where tokens begin with their
  ///   blank.
  func adding(_ wanted: [SpecialRole], tokens: [[UInt8]], maskStripsLeft: Bool = false, added: inout [AddedToken])
    -> SpecialRoles
  {
    var roles = self
    for role in wanted where roles[role] == nil {
      let content = Array(role.spelling.utf8)
      let next = max(tokens.count, Int(added.map(\.id).max() ?? -1) + 1)
      let id = Int32(tokens.firstIndex(of: content) ?? next)
      added.append(AddedToken(role, id: id, maskStripsLeft: maskStripsLeft))
      roles[role] = id
    }
    return roles
  }

  /// Size, roles and special ids as objectives need them.
  func vocabulary(size: Int, added: [AddedToken]) -> Vocabulary {
    let special = Set(added.filter(\.isSpecial).map(\.id)).union(ids.values)
    return Vocabulary(
      size: size, pad: self[.pad], bos: self[.bos], eos: self[.eos], mask: self[.mask], cls: self[.cls],
      sep: self[.sep],
      unknown: self[.unknown], special: special.sorted())
  }

  /// `tokenizer_config.json` for `AutoTokenizer`.
  ///
  /// The class is the general one, which takes the whole pipeline from `tokenizer.json`; the model-specific
  /// classes rebuild parts of it by their own rules.
  func configurationJSON(maximumLength: Int, token: (Int32) -> String?) -> [UInt8] {
    var members = [
      ("tokenizer_class", ByteJSON.text("PreTrainedTokenizerFast")), ("model_max_length", .integer(maximumLength)),
      ("clean_up_tokenization_spaces", .bool(false)),
    ]
    for role in SpecialRole.allCases {
      guard let id = ids[role], let name = token(id) else { continue }
      members.append((role.configurationKey, .text(name)))
    }
    return ByteJSON.object(members.map { ByteJSONMember(name: Array($0.0.utf8), value: $0.1) }).serialized()
  }
}
