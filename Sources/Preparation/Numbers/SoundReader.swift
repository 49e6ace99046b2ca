import CSndFile
import Core
import Storage

/// WAV and FLAC, by libsndfile: one recording per file, its samples as rows of channels, or the frames of a log-mel
/// spectrogram of their mean.
///
/// Samples of 16 bits stay I16, all others become F32 in -1 … 1. All files of a corpus have one rate.
final class SoundReader: NumberReader {
  /// Numbers of a recording that are held in memory: 6 hours of 48 kHz.
  private static let mostNumbers = 1 << 30
  private static let pieceFrames = 1 << 16

  private let file: NumberFile
  private let mel: NumberReaderOptions.Mel?
  private var isTaken = false

  init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    (self.file, mel) = (file, options.mel)
    guard file.compression == nil else {
      throw DataError(
        file.path, "is compressed by \(file.compression?.rawValue ?? "").",
        remedy: "Unpack it; FLAC is compressed itself.")
    }
  }

  func next() throws -> NumericRecord? {
    guard !isTaken else { return nil }
    isTaken = true
    var info = SF_INFO()
    guard let sound = file.location.withCString({ sf_open($0, Int32(SFM_READ), &info) }) else {
      throw DataError(
        file.path, "is no sound that can be read: \(String(cString: sf_strerror(nil)))",
        remedy: "Convert it to WAV or FLAC.")
    }
    defer { sf_close(sound) }
    let channels = Int(info.channels)
    guard (1...256).contains(channels), info.samplerate > 0 else {
      throw DataError(file.path, "has \(channels) channels at \(info.samplerate) Hz.", remedy: "Convert it to WAV.")
    }
    guard info.frames > 0 else { throw DataError(file.path, "has no samples.", remedy: "Leave it out with --exclude.") }
    let isShort = info.format & Int32(SF_FORMAT_SUBMASK) == Int32(SF_FORMAT_PCM_16)
    var record: NumericRecord
    if let mel {
      let samples = try read(sound, channels) { sf_readf_float(sound, $0, sf_count_t(Self.pieceFrames)) } as [Float]
      record = try spectrogram(samples, channels, rate: Int(info.samplerate), mel)
    } else if isShort {
      let samples = try read(sound, channels) { sf_readf_short(sound, $0, sf_count_t(Self.pieceFrames)) } as [Int16]
      record = NumericRecord(
        .i16, shape: [samples.count / channels, channels], isSequence: true,
        bytes: samples.withUnsafeBytes { Array($0) }, place: file.path)
    } else {
      let samples = try read(sound, channels) { sf_readf_float(sound, $0, sf_count_t(Self.pieceFrames)) } as [Float]
      record = try NumericRecord(
        floats: samples, shape: [samples.count / channels, channels], isSequence: true, place: file.path)
    }
    record.rate = Int(info.samplerate)
    return record
  }

  /// All samples, [frames, channels], whatever the header says of their number.
  private func read<Sample: Numeric>(
    _ sound: OpaquePointer, _ channels: Int, _ piece: (UnsafeMutablePointer<Sample>?) -> sf_count_t
  ) throws(DataError) -> [Sample] {
    var samples: [Sample] = []
    var buffer = [Sample](repeating: 0, count: Self.pieceFrames * channels)
    while true {
      let frames = buffer.withUnsafeMutableBufferPointer { piece($0.baseAddress) }
      guard frames > 0 else { break }
      samples += buffer[..<(Int(frames) * channels)]
      guard samples.count <= Self.mostNumbers else {
        throw DataError(
          file.path, "has more than \(Self.mostNumbers) samples.", remedy: "Cut it into several recordings.")
      }
    }
    guard sf_error(sound) == 0 else {
      throw DataError(
        file.path, "is damaged behind sample \(samples.count / channels): \(String(cString: sf_strerror(sound)))",
        remedy: "Fetch it again or leave it out.")
    }
    guard !samples.isEmpty else {
      throw DataError(file.path, "has no samples.", remedy: "Leave it out with --exclude.")
    }
    return samples
  }

  private func spectrogram(_ samples: [Float], _ channels: Int, rate: Int, _ mel: NumberReaderOptions.Mel) throws
    -> NumericRecord
  {
    let mono =
      channels == 1
      ? samples
      : (0..<samples.count / channels).map { frame in
        samples[frame * channels..<(frame + 1) * channels].reduce(0, +) / Float(channels)
      }
    let spectrogram = try MelSpectrogram(mel, rate: rate, place: file.path)
    let frames = spectrogram.frames(of: mono)
    return try NumericRecord(
      floats: frames, shape: [frames.count / mel.bands, mel.bands], isSequence: true, place: file.path)
  }
}
