import Core
import Data
import Storage

/// Mean and standard deviation of each channel of staged numbers, over those that were measured.
///
/// mean = Σ x / n and deviation = √(Σ (x - mean)² / n), in double precision, in the order of the records; a channel
/// without spread, or with one below 10⁻³⁰, has the deviation 1, one without a number the mean 0.
struct NumberMoments {
  private(set) var mean: [Double]
  private(set) var deviation: [Double]

  /// - Complexity: two passes over the numbers of the parts.
  init(_ staged: StagedRecords, _ parts: [StagedPart], values: MappedFile, observed: MappedFile?) {
    let channels = staged.sharedShape[0]
    var (sums, squares, counts) = (
      [Double](repeating: 0, count: channels), [Double](repeating: 0, count: channels),
      [Int](repeating: 0, count: channels)
    )
    let walk = Walk(staged: staged, parts: parts, values: values, observed: observed)
    walk.forEach { channel, value in
      sums[channel] += value
      counts[channel] += 1
    }
    let mean = zip(sums, counts).map { $1 > 0 ? $0 / Double($1) : 0 }
    walk.forEach { channel, value in squares[channel] += (value - mean[channel]) * (value - mean[channel]) }
    self.mean = mean
    deviation = zip(squares, counts).map { sum, count in
      let value = count > 0 ? (sum / Double(count)).squareRoot() : 1
      return value > 1e-30 && value.isFinite ? value : 1
    }
  }

  /// Calls a body with the channel and the value of each measured number.
  private struct Walk {
    let staged: StagedRecords
    let parts: [StagedPart]
    let values: MappedFile
    let observed: MappedFile?

    @inline(__always)
    func forEach(_ body: (Int, Double) -> Void) {
      values.withBytes { bytes in
        if let observed {
          observed.withBytes { flags in each(bytes, flags, body) }
        } else {
          each(bytes, nil, body)
        }
      }
    }

    @inline(__always)
    private func each(_ bytes: UnsafeRawBufferPointer, _ flags: UnsafeRawBufferPointer?, _ body: (Int, Double) -> Void)
    {
      let (perRow, type, channels) = (staged.perRow, staged.type, staged.sharedShape[0])
      // Channels follow each other in the rows of a sequence, and have all axes of a record behind them.
      let perChannel = perRow / channels
      for part in parts {
        let start = staged.starts[part.record] + part.rows.lowerBound
        for row in start..<start + part.rows.count {
          for i in 0..<perRow {
            let place = row * perRow + i
            if let flags, flags[place] == 0 { continue }
            body(i / perChannel, type.value(bytes, place))
          }
        }
      }
    }
  }
}

extension NumberType {
  /// Number `i` of little-endian numbers of this type.
  @inline(__always)
  func value(_ bytes: UnsafeRawBufferPointer, _ i: Int) -> Double {
    switch self {
    case .u8: Double(bytes[i])
    case .i16: Double(Int16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * i, as: Int16.self)))
    case .f32:
      Double(Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self))))
    }
  }
}
