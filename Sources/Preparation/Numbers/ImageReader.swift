import CPNG
import CTurboJPEG
import Core

/// PNG and JPEG: one image per file, [1 or 3, height, width] of bytes, grey or red, green and blue.
///
/// A palette is read as colours, an interlaced PNG and a progressive JPEG as any other. Refused by name are images with
/// 16 bits per channel, transparency, several pictures, CMYK, and more than `mostPixels` pixels, which are counted
/// before any memory is taken for them.
final class ImageReader: NumberReader {
  /// Pixels that an image may have.
  static let mostPixels = 1 << 23
  /// Bytes that a file may have: no image of so many pixels needs more.
  private static let mostBytes = 128 << 20

  private let file: NumberFile
  private var image: NumericRecord?

  init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    self.file = file
    let bytes = try file.contents(atMost: Self.mostBytes)
    if bytes.starts(with: PNGImage.signature) {
      image = try PNGImage.decode(bytes, file.path)
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      image = try JPEGImage.decode(bytes, file.path)
    } else {
      throw DataError(
        file.path, "is neither PNG nor JPEG by its first bytes.", remedy: "Convert it, or leave it out with --exclude.")
    }
  }

  func next() throws -> NumericRecord? {
    defer { image = nil }
    return image
  }

  /// - Throws: `DataError` for an image without pixels or with too many.
  static func requireSize(width: Int, height: Int, _ path: String) throws(DataError) {
    guard width > 0, height > 0 else { throw DataError(path, "has no pixels.", remedy: "Leave it out.") }
    guard width <= mostPixels, height <= mostPixels, width * height <= mostPixels else {
      throw DataError(
        path, "has \(width) × \(height) pixels; at most \(mostPixels) are read.", remedy: "Make the image smaller.")
    }
  }

  /// Pixels [height, width, channels] as a record [channels, height, width].
  static func record(_ pixels: [UInt8], width: Int, height: Int, channels: Int, _ path: String) -> NumericRecord {
    var planes = pixels
    let count = width * height
    if channels > 1 {
      for channel in 0..<channels {
        for pixel in 0..<count { planes[channel * count + pixel] = pixels[pixel * channels + channel] }
      }
    }
    return NumericRecord(.u8, shape: [channels, height, width], bytes: planes, place: path)
  }
}

/// PNG over libpng's simplified interface, which returns its errors. Numbers are those of the file, whatever its chunks
/// on colours say of them.
enum PNGImage {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// - Throws: `DataError` that says what is wrong with the file.
  static func decode(_ bytes: [UInt8], _ path: String) throws(DataError) -> NumericRecord {
    let (file, isAnimated) = plain(bytes)
    guard !isAnimated else {
      throw DataError(path, "is an animated PNG of several pictures.", remedy: "Save its pictures one by one.")
    }
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    defer { png_image_free(&image) }
    var pixels: [UInt8] = []
    var (began, ended) = (false, false)
    var refusal: DataError?
    // libpng reads from the bytes until the image is finished.
    file.withUnsafeBytes { source in
      began = png_image_begin_read_from_memory(&image, source.baseAddress, source.count) != 0
      guard began else { return }
      do throws(DataError) { try requireReadable(image, path) } catch {
        refusal = error
        return
      }
      let isColour = image.format & UInt32(PNG_FORMAT_FLAG_COLOR) != 0
      image.format = isColour ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0
      pixels = [UInt8](repeating: 0, count: Int(image.width) * Int(image.height) * (isColour ? 3 : 1))
      ended = png_image_finish_read(&image, nil, &pixels, 0, nil) != 0
    }
    if let refusal { throw refusal }
    guard began, ended else {
      throw DataError(path, "is a damaged PNG: \(message(image)).", remedy: "Fetch it again or leave it out.")
    }
    let (width, height) = (Int(image.width), Int(image.height))
    return ImageReader.record(
      pixels, width: width, height: height, channels: pixels.count / (width * height), path)
  }

  private static func requireReadable(_ image: png_image, _ path: String) throws(DataError) {
    try ImageReader.requireSize(width: Int(image.width), height: Int(image.height), path)
    guard image.format & UInt32(PNG_FORMAT_FLAG_LINEAR) == 0 else {
      throw DataError(path, "has 16 bits per channel; 8 are read.", remedy: "Convert it to 8 bits.")
    }
    guard image.format & UInt32(PNG_FORMAT_FLAG_ALPHA) == 0 else {
      throw DataError(path, "has transparency, which a record cannot have.", remedy: "Put it on a background.")
    }
  }

  private static func message(_ image: png_image) -> String {
    withUnsafeBytes(of: image.message) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// Chunks that say what colours the numbers stand for: with them libpng would change the numbers to those of sRGB.
  private static let colourChunks = ["gAMA", "cHRM", "iCCP", "sRGB"].map { Array($0.utf8) }

  /// A PNG without its colour chunks, and whether a chunk acTL says that it is animated.
  private static func plain(_ bytes: [UInt8]) -> (file: [UInt8], isAnimated: Bool) {
    var (file, isAnimated, place) = (signature, false, signature.count)
    while place + 12 <= bytes.count {
      let kind = bytes[place + 4..<place + 8]
      let end = place + 12 + Int(UInt32(bigEndianBytes: bytes, place))
      // All that is left out stands before the pixels; what is damaged is left to libpng.
      if kind.elementsEqual("IDAT".utf8) || end > bytes.count { break }
      isAnimated = isAnimated || kind.elementsEqual("acTL".utf8)
      if !colourChunks.contains(where: kind.elementsEqual) { file += bytes[place..<end] }
      place = end
    }
    return (file + bytes[place...], isAnimated)
  }
}

/// JPEG over TurboJPEG, which returns its errors.
enum JPEGImage {
  /// - Throws: `DataError` that says what is wrong with the file.
  static func decode(_ bytes: [UInt8], _ path: String) throws(DataError) -> NumericRecord {
    guard let handle = tjInitDecompress() else { throw DataError(path, "cannot be read: TurboJPEG did not start.") }
    defer { tjDestroy(handle) }
    func damaged() -> DataError {
      DataError(
        path, "is a damaged JPEG: \(String(cString: tjGetErrorStr2(handle))).",
        remedy: "Fetch it again or leave it out.")
    }
    var (width, height, subsampling, colours) = (Int32(0), Int32(0), Int32(0), Int32(0))
    guard tjDecompressHeader3(handle, bytes, UInt(bytes.count), &width, &height, &subsampling, &colours) == 0 else {
      throw damaged()
    }
    try ImageReader.requireSize(width: Int(width), height: Int(height), path)
    guard colours != Int32(TJCS_CMYK.rawValue), colours != Int32(TJCS_YCCK.rawValue) else {
      throw DataError(path, "has the colours CMYK, of printing.", remedy: "Convert it to RGB.")
    }
    let isGrey = colours == Int32(TJCS_GRAY.rawValue)
    var pixels = [UInt8](repeating: 0, count: Int(width) * Int(height) * (isGrey ? 1 : 3))
    // A warning is damage as well: pixels behind it are made up. The slow transform gives equal bytes on every host.
    let flags = Int32(TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS)
    let format = Int32(isGrey ? TJPF_GRAY.rawValue : TJPF_RGB.rawValue)
    guard
      tjDecompress2(handle, bytes, UInt(bytes.count), &pixels, width, 0, height, format, flags) == 0
    else { throw damaged() }
    return ImageReader.record(
      pixels, width: Int(width), height: Int(height), channels: isGrey ? 1 : 3, path)
  }
}
