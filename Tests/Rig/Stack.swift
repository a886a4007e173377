import FoundationEssentials
import Synchronization

/// A CA, a web server, a webroot and a place for a tree: everything a certificate needs, on loopback.
package struct Stack: Sendable {
    /// The directory of it all; a test may put files of its own there.
    package let directory: String
    package let pebble: Pebble
    /// Serves the webroot; has no TLS site until `serve`.
    package let nginx: Nginx
    package let webroot: String
    /// An empty directory in the place of `/etc/letsencrypt`.
    package let tree: String

    /// A certbot that works on the tree.
    package var certbot: Certbot { Certbot(tree: tree, pebble: pebble) }

    /// The site of a lineage of the tree, for `nginx.serve`.
    package func site(_ names: [String], lineage: String? = nil) -> Nginx.Site {
        let live = "\(tree)/live/\(lineage ?? names[0])"
        return (names: names, certificate: "\(live)/fullchain.pem", key: "\(live)/privkey.pem")
    }
}

/// The scope of a whole stack.
package enum Rig {
    /// More stacks than this at once only make each other slow on a small machine.
    private static let gate = Gate(places: 2)

    /// Runs `body` with a stack, and ends and removes all of it afterwards.
    ///
    /// At most two stacks run at once in a process; the others wait.
    package static func withStack<R: Sendable>(
        _ options: Pebble.Options = Pebble.Options(), _ body: (Stack) async throws -> R
    ) async throws -> R {
        await gate.enter()
        defer { gate.leave() }
        return try await TemporaryDirectory.with { directory in
            let (webroot, tree) = ("\(directory)/webroot", "\(directory)/letsencrypt")
            for path in [webroot, tree, "\(directory)/pebble", "\(directory)/nginx"] {
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
            }
            return try await Pebble.with("\(directory)/pebble", options: options) { pebble in
                try await Nginx.with("\(directory)/nginx", httpPort: pebble.httpPort, webroot: webroot) { nginx in
                    try await body(
                        Stack(directory: directory, pebble: pebble, nginx: nginx, webroot: webroot, tree: tree))
                }
            }
        }
    }
}

/// An async semaphore: as many may be inside at once as there are places, the others wait in the order they came.
package final class Gate: Sendable {
    private struct State {
        var places: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }
    private let state: Mutex<State>

    package init(places: Int) {
        state = Mutex(State(places: places))
    }

    /// Waits for a place and takes it. Every `enter` needs its `leave`.
    package func enter() async {
        await withCheckedContinuation { continuation in
            let entered = state.withLock { state in
                guard state.places > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.places -= 1
                return true
            }
            if entered { continuation.resume() }
        }
    }

    /// Gives the place to the first who waits.
    package func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.places += 1
            return nil
        }
        next?.resume()
    }
}
