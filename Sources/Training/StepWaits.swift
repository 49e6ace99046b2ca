/// Seconds of one step in which something other than computing took place, as means over ranks.
public struct StepWaits: Sendable, Equatable {
  /// From the first bucket of gradients that was taken up to the last complete sum.
  public var communication = 0.0
  /// The part of it after the backward pass: nothing hides it.
  public var exposed = 0.0
  /// Waiting for the examples of the step.
  public var data = 0.0

  public init() {}

  init(_ values: some Collection<Double>) {
    let values = Array(values)
    (communication, exposed, data) = (values[0], values[1], values[2])
  }

  var values: [Double] { [communication, exposed, data] }
}
