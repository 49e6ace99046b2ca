import Core
import Storage

/// `preprocessor_config.json` of images: an image's numbers as they are stored, less the mean and divided by the
/// deviation of each channel.
public struct ImageProcessor: Sendable {
  /// The name that the library looks for.
  public static let fileName = "preprocessor_config.json"

  /// Rows of an image.
  public var height: Int
  /// Pixels of a row.
  public var width: Int
  /// By channel, in the units of the stored numbers.
  public var mean: [Double]
  /// By channel, above 0.
  public var deviation: [Double]

  /// - Precondition: one mean and one deviation per channel.
  public init(height: Int, width: Int, mean: [Double], deviation: [Double]) {
    (self.height, self.width, self.mean, self.deviation) = (height, width, mean, deviation)
  }

  /// Mean and deviation by channel as a file says; nil where it says neither.
  public static func statistics(_ bytes: [UInt8]) -> (mean: [Double], deviation: [Double])? {
    guard let json = try? JSONValue.parse(bytes) else { return nil }
    func numbers(_ key: String) -> [Double] { json[key]?.array?.compactMap(\.double) ?? [] }
    let (mean, deviation) = (numbers("image_mean"), numbers("image_std"))
    return mean.isEmpty || mean.count != deviation.count ? nil : (mean, deviation)
  }

  /// The file, for `ViTImageProcessor`. Images of another size are resized; numbers are not rescaled, for the means are
  /// those of the numbers themselves.
  public var json: [UInt8] {
    let members: [JSONValue.Member] = [
      .init("do_convert_rgb", .bool(mean.count == 3)), .init("do_normalize", .bool(true)),
      .init("do_rescale", .bool(false)), .init("do_resize", .bool(true)),
      .init("image_mean", .array(mean.map { .number("\($0)") })),
      .init("image_processor_type", .string("ViTImageProcessor")),
      .init("image_std", .array(deviation.map { .number("\($0)") })), .init("resample", .integer(2)),
      .init("size", .object([.init("height", .integer(height)), .init("width", .integer(width))])),
    ]
    return Array(JSONValue.object(members).pretty.utf8)
  }
}
