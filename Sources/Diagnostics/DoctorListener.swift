import Foundation
import Glibc

/// Sends one word to every client of a TCP port, on a thread of its own.
///
/// The socket is opened before the thread starts and closed once, after the thread's last use: no one else holds it.
final class Listener: @unchecked Sendable {
  private let socket: Int32
  private let lock = NSLock()
  private var stopped = false
  /// Chosen by the system; 0 where it gave none, which no caller reaches.
  let port: UInt16

  init(reply: String) {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = Listener.address(0, port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let socket = self.socket
    let port = withUnsafeMutablePointer(to: &address) { pointer -> UInt16 in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer -> Bool in
        bind(socket, pointer, length) == 0 && listen(socket, 64) == 0 && getsockname(socket, pointer, &length) == 0
      } ? UInt16(bigEndian: pointer.pointee.sin_port) : 0
    }
    self.port = port
    Thread.detachNewThread { [self] in
      while !lock.withLock({ stopped }) {
        var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 100) > 0 else { continue }
        let caller = accept(socket, nil, nil)
        guard caller >= 0 else { continue }
        _ = reply.withCString { send(caller, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
        close(caller)
      }
      close(socket)
    }
  }

  /// The thread notices within a tenth of a second.
  func stop() { lock.withLock { stopped = true } }

  /// What listens at an address; nil when nothing does in time.
  static func call(_ host: UInt32, port: UInt16, milliseconds: Int32) -> String? {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard socket >= 0 else { return nil }
    defer { close(socket) }
    var address = Listener.address(host, port: port)
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    // The reply arrives without a request: waiting for it covers the connection as well.
    var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, milliseconds) > 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = recv(socket, &bytes, bytes.count, 0)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }

  private static func address(_ host: UInt32, port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr = in_addr(s_addr: host.bigEndian)
    return address
  }
}
