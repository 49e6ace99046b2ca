/// The version of this program. Every rank of a job must have the same one.
public enum Version {
  public static let number = "0.4.0"
}
