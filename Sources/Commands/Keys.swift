import Configuration
import Core
import Measures

/// What `lockstep train --keys` prints.
enum Keys {
  static func markdown() throws(ConfigurationError) -> String {
    try ConfigurationReference.markdown(measures: MeasureRegistry.entries.map { ($0.name, $0.keys) })
  }
}
