import Core
import Evaluation
import Foundation
import Storage

/// A measure's picture as a file.
public struct PictureFile {
  /// With its ending, .png or .svg.
  public let name: String
  /// What the file holds.
  public let bytes: [UInt8]
  /// The same as an element of a page.
  let element: String

  /// - Parameter prefix: put before the picture's own name.
  /// - Returns: nil for curves without a point.
  public init?(_ picture: MeasuredPicture, prefix: String) {
    if let png = picture.png {
      (name, bytes) = ("\(prefix)-\(picture.name).png", [UInt8](png))
      element = "<img alt=\"\(escaped(picture.caption))\" src=\"data:image/png;base64,\(png.base64EncodedString())\">"
      return
    }
    let chart = picture.lines.map { Chart($0, title: picture.name, caption: picture.caption) }
    guard let chart, let file = chart.svg(.file), let own = chart.svg(.page) else { return nil }
    (name, bytes, element) = ("\(prefix)-\(picture.name).svg", Array((file + "\n").utf8), own)
  }

  /// Writes the pictures of measures into a folder, which it makes. - Throws: `FileError`.
  public static func write(_ results: [(measure: String, result: MeasureResult)], to folder: String) throws {
    try makeFolders(folder)
    for (measure, result) in results {
      for file in result.pictures.compactMap({ PictureFile($0, prefix: measure) }) {
        try AtomicFile.write(file.bytes, to: "\(folder)/\(file.name)")
      }
    }
  }
}

extension Chart {
  /// The curves of a measure's picture.
  init(_ lines: MeasuredPicture.Lines, title: String, caption: String) {
    self.init(
      title: title.replacing("-", with: " "), caption: caption, xLabel: lines.xLabel, yLabel: lines.yLabel,
      series: lines.curves.enumerated().map { index, curve in
        Series(
          name: curve.name, points: curve.points.filter { $0.count == 2 }.map { Point(x: $0[0], y: $0[1]) },
          color: index, isLine: curve.isLine)
      })
  }
}

/// The pictures that a measure made of one arm.
public struct ArmPictures: Codable, Sendable, Equatable {
  /// The arm whose model was measured.
  public var arm: String
  /// The seed of the run.
  public var seed: Int
  /// The measure that made the pictures.
  public var measure: String
  /// In the order of the measure.
  public var pictures: [MeasuredPicture]

  /// As files of a report, the first part of whose names is the place among all.
  func files(_ place: Int) -> [(file: PictureFile, caption: String)] {
    let words = "\(arm)-\(measure)".lowercased().unicodeScalars.map {
      ("a"..."z").contains($0) || ("0"..."9").contains($0) ? Character($0) : "-"
    }
    return pictures.compactMap { picture in
      PictureFile(picture, prefix: "\(ReportFiles.picture)\(place + 1)-\(String(words).prefix(40))").map {
        ($0, picture.caption)
      }
    }
  }
}
