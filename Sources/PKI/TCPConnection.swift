import Glibc

/// A TCP connection whose socket does not block; closed when the value goes away.
struct TCPConnection: ~Copyable {
    let descriptor: Int32

    /// Connects, or fails within the limit: refused, no route, no answer.
    init(to address: SocketAddress, within limit: TimeLimit) throws(Unreachable) {
        descriptor = socket(address.family, socketKind(SOCK_STREAM), 0)
        guard descriptor >= 0 else { throw Unreachable(SystemFailure(code: errno).description) }
        // A signal does not end the attempt: it goes on in the background, as it does for a socket that cannot block.
        if address.connect(descriptor) == 0 { return }
        guard errno == EINPROGRESS || errno == EINTR else { throw Unreachable(SystemFailure(code: errno).description) }
        do {
            try limit.wait(for: Int32(POLLOUT), on: descriptor)
        } catch {
            throw Unreachable(error.description)
        }
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        if unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) != 0 { code = errno }
        guard code == 0 else { throw Unreachable(SystemFailure(code: code).description) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }
}
