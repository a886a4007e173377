import FoundationEssentials
import Glibc
import Lineages
import Renewal
import Setup

/// Why a Docker Engine does not answer, as far as the host knows: its service, or the process that has its socket.
struct EngineFacts: Sendable {
    let socket: String
    let isHung: Bool
    /// What systemd has of `docker.service`, where that is the engine at the socket.
    var service: UnitState?
    /// The same of `docker.socket`, which makes the socket on most hosts.
    var socketUnit: UnitState?
    /// The process that takes connections at the socket, and its name.
    var process: (pid: Int32, name: String)?

    /// One that was started less long ago than this and does not answer would not do so after another start.
    static let recent: TimeInterval = 600

    /// Looks. Nil for an engine that a variable or a context names and that nothing shows to exist: the setting may be wrong.
    static func look(at endpoint: DockerEndpoint, isHung: Bool, _ systemd: Systemd, _ budget: Budget) async -> Self? {
        guard let socket = endpoint.socket, endpoint.isDefault || isHung else { return nil }
        var facts = EngineFacts(socket: socket, isHung: isHung)
        if endpoint.isDefault {
            let states = await timed(budget.time(SystemdProbe.timeout)) { () -> [UnitState] in
                async let service = try? systemd.state(of: "docker.service")
                async let socketUnit = try? systemd.state(of: "docker.socket")
                return [await service, await socketUnit].compactMap(\.self)
            }
            if let states, states.count == 2, states[0].isThere {
                (facts.service, facts.socketUnit) = (states[0], states[1])
            }
        }
        facts.process = peer(of: socket)
        return facts
    }

    func state(at now: Date) -> EngineState {
        guard let service else {
            return .unmanaged(socket: socket, process: process?.pid, name: process?.name ?? "")
        }
        if service.load == "masked" { return .masked }
        switch service.active {
        case "failed": return .failed
        case "active":
            let age = service.since.map { now.timeIntervalSince($0) } ?? .infinity
            if (0..<EngineFacts.recent).contains(age) { return .restarted }
            return .active(hasSocketUnit: !isHung && socketUnit?.isThere == true)
        case "activating", "reloading", "deactivating": return .starting
        default: return .inactive
        }
    }

    /// For the end of a sentence that says that it does not answer.
    func text(at now: Date) -> String {
        guard let service else {
            return process.map { "; \($0.name) (process \($0.pid)) has the socket" } ?? ""
        }
        let age = service.since.map { " since \(Span.text(max(0, now.timeIntervalSince($0))))" } ?? ""
        let result = service.active == "failed" ? ": \(service.result)" : ""
        return "; docker.service \(service.load == "masked" ? "is masked" : "is \(service.active)\(result)\(age)")"
    }

    /// The process that has made a socket ready for connections (SO_PEERCRED, socket(7)): the engine, or systemd on its behalf.
    private static func peer(of path: String) -> (pid: Int32, name: String)? {
        var address = sockaddr_un()
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard bytes.count < room else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        // An engine that takes no more connections holds nothing up.
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let isConnected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        // Process, user and group.
        var peer: [Int32] = [0, 0, 0]
        var size = socklen_t(MemoryLayout<Int32>.size * peer.count)
        guard isConnected, unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0, peer[0] > 1 else {
            return nil
        }
        return (peer[0], ProcessName.of(peer[0]) ?? "?")
    }
}
