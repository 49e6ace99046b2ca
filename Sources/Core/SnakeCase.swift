/// The name of a property as a key in a file: `maskRatio` is `mask_ratio`.
///
/// *Concretely:* an underscore goes before every capital letter that follows a small letter or a digit, and all letters
/// become small.
public func snakeCase(_ name: String) -> String {
  var (result, previous) = ("", Character("_"))
  for character in name {
    if character.isUppercase, previous.isLowercase || previous.isNumber { result.append("_") }
    result += character.lowercased()
    previous = character
  }
  return result
}
