import Core

/// An option that is one of a few words. Options keep them as text, so that a wrong one is refused by its key.
func optionChoice<Choice: RawRepresentable & CaseIterable>(_ key: String, _ text: String) throws(ConfigurationError) -> Choice
where Choice.RawValue == String {
  if let choice = Choice(rawValue: text) { return choice }
  throw ConfigurationError(
    "objective.\(key)", "is \"\(text)\"; it must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")).")
}
