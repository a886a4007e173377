import Glibc

/// What a TLS listener showed of the certificate it serves.
package enum ServedLeaf: Hashable, Sendable {
    /// The first certificate of the server's Certificate message, and how the handshake failed after it, if it did: the
    /// server wants a client certificate, say. With TLS 1.3 that is not seen, as the client's handshake ends before the
    /// server judges it.
    case leaf(Certificate, failure: String?)
    /// A connection, but no certificate: how the handshake failed, in OpenSSL's words.
    case broken(String)
    /// No connection: refused, timed out, no route, name not found.
    case unreachable(String)
}

/// Asks TLS listeners for the certificate they serve, whatever it is worth.
///
/// No chain, name or date is verified, and what no client should accept any more is accepted (TLS 1.0, SHA-1, short
/// keys): the caller compares. Nothing is sent but the handshake.
package struct TLSProbe: Sendable {
    private let timeout: Duration

    /// - Parameter timeout: for all of a probe: the name's look-up, connections and handshakes.
    package init(timeout: Duration = .seconds(10)) {
        self.timeout = timeout
    }

    /// The leaf that is served at `endpoint`.
    ///
    /// A host name's addresses are tried in turn, each for its share of the time, until one shows a certificate; if none
    /// does, a broken handshake is told before a refused connection. A handshake that fails without a certificate is
    /// tried once more, offering every kind of key, cipher and signature. A cancelled task gets `unreachable` at once.
    ///
    /// - Parameters:
    ///   - serverName: the name to ask for (SNI). Addresses and wildcards are not sent, as RFC 6066 §3 has it.
    ///   - keyType: asks a server that has certificates of several kinds for the one with such a key; one that has none is
    ///     asked as if nothing had been said.
    ///   - hasProxyHeader: begins each connection with a header of the PROXY protocol, for a server that expects one.
    package func leaf(
        at endpoint: TLSEndpoint, serverName: String?, keyType: KeyType? = nil, hasProxyHeader: Bool = false
    ) async -> ServedLeaf {
        let cancellation: WakeUp
        do {
            cancellation = try WakeUp()
        } catch {
            return .unreachable(error.description)
        }
        let search = LeafSearch(
            endpoint: endpoint, serverName: TLSProbe.indication(of: serverName), keyType: keyType,
            hasProxyHeader: hasProxyHeader, limit: TimeLimit(timeout, cancellation: cancellation))
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                do throws(SystemFailure) {
                    try startThread { continuation.resume(returning: search.run()) }
                } catch {
                    continuation.resume(returning: .unreachable(error.description))
                }
            }
        } onCancel: {
            cancellation.raise()
        }
    }

    private static func indication(of name: String?) -> String? {
        guard let name, case .dns(let host)? = SubjectName(name), !host.hasPrefix("*.") else { return nil }
        return host
    }
}

/// One probe: looks the host up and tries its addresses, on the thread that calls `run`.
struct LeafSearch: Sendable {
    let endpoint: TLSEndpoint
    let serverName: String?
    var keyType: KeyType?
    var hasProxyHeader = false
    let limit: TimeLimit

    func run() -> ServedLeaf {
        // What OpenSSL keeps for a thread is freed here and not after the answer, when the process may be exiting.
        defer { TLSHandshake.forgetThread() }
        do {
            return ask(try SocketAddress.all(of: endpoint, within: limit))
        } catch {
            return .unreachable(error.description)
        }
    }

    /// The first leaf that one of these shows, each in its share of the time.
    func ask(_ addresses: [SocketAddress]) -> ServedLeaf {
        var broken: String?
        var obstacles: [String] = []
        for (index, address) in addresses.enumerated() {
            switch ask(address, within: limit.share(of: addresses.count - index)) {
            case .leaf(let certificate, let failure): return .leaf(certificate, failure: failure)
            case .broken(let words): broken = broken ?? words
            case .unreachable(let cause): if !obstacles.contains(cause) { obstacles.append(cause) }
            }
            if limit.isCancelled { return .unreachable(WaitFailure.cancelled.description) }
        }
        return broken.map { .broken($0) } ?? .unreachable(obstacles.joined(separator: "; "))
    }

    private func ask(_ address: SocketAddress, within limit: TimeLimit) -> ServedLeaf {
        if let keyType {
            let chosen = shake(hands: .key(keyType), with: address, within: limit)
            if case .leaf = chosen { return chosen }
            if limit.isOver { return chosen }
        }
        let first = shake(hands: .usual, with: address, within: limit)
        guard case .broken = first, !limit.isOver else { return first }
        let second = shake(hands: .anything, with: address, within: limit)
        // The words of a server that no longer answers say less than those of the one that did.
        if case .leaf = second { return second }
        return first
    }

    private func shake(hands offer: TLSOffer, with address: SocketAddress, within limit: TimeLimit) -> ServedLeaf {
        let connection: TCPConnection
        do {
            connection = try TCPConnection(to: address, within: limit)
        } catch {
            return .unreachable(error.description)
        }
        if hasProxyHeader {
            do {
                try connection.sendProxyHeader()
            } catch {
                return .unreachable(error.description)
            }
        }
        do {
            let handshake = try TLSHandshake(over: connection, offer: offer, serverName: serverName)
            let failure = handshake.run(within: limit)
            guard let der = handshake.leaf else { return .broken(failure ?? "the server showed no certificate") }
            return .leaf(try Certificate(der: der), failure: failure)
        } catch {
            return .broken(error.description)
        }
    }
}
