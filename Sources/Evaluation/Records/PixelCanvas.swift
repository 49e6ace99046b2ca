import Core
import Storage

/// White pixels that are painted over.
struct PixelCanvas {
  let width: Int
  let height: Int
  let channels: Int
  private var pixels: [UInt8]

  init(width: Int, height: Int, channels: Int) {
    (self.width, self.height, self.channels) = (width, height, channels)
    pixels = [UInt8](repeating: 255, count: width * height * channels)
  }

  /// A square of one shade.
  mutating func fill(_ corner: (x: Int, y: Int), size: Int, channel: Int, _ shade: UInt8) {
    for y in corner.y..<corner.y + size {
      for x in corner.x..<corner.x + size { pixels[(y * width + x) * channels + channel] = shade }
    }
  }

  /// 0 for the lowest value and 255 for the highest, 128 where all are equal.
  static func shade(_ value: Double, _ low: Double, _ high: Double) -> UInt8 {
    guard high > low else { return 128 }
    return UInt8(max(0, min(255, ((value - low) / (high - low) * 255).rounded())))
  }

  /// The pixels as a PNG file.
  var png: [UInt8] { PNG.encode(pixels, width: width, height: height, channels: channels) }
}

extension GridShape {
  /// Three channels of records of two axes or three are red, green and blue; of any other number the first is shown in
  /// grey.
  var colors: Int { channels == 3 ? 3 : 1 }

  /// The place of a pixel in a record [channels, extent…] of two axes, or of three in the middle plane.
  func pixel(channel: Int, _ y: Int, _ x: Int) -> Int {
    let (height, width) = (extent[extent.count - 2], extent[extent.count - 1])
    let planes = extent.count == 3 ? extent[0] : 1
    return ((channel * planes + planes / 2) * height + y) * width + x
  }
}
