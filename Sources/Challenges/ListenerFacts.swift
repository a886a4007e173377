import Glibc
import Lineages

/// Who listens on ports of this host (proc(5): net/tcp, net/tcp6 and the processes' descriptors).
package struct ListenerFacts: Equatable, Sendable {
    package struct Listener: Equatable, Sendable {
        package let port: Int
        /// Nil where the process could not be seen.
        package let owner: Owner?

        package init(port: Int, owner: Owner?) { (self.port, self.owner) = (port, owner) }
    }

    package struct Owner: Hashable, Sendable {
        package let pid: Int32
        /// The program's name.
        package let name: String
        /// Its own and its ancestors' pids.
        package let ancestry: [Int32]
        /// The command line as the process shows it.
        package let title: String
        /// Whether it sees the same file systems as this process; a container's does not.
        package let isHere: Bool
        /// The real user's number, which a program's set-user-ID bit does not change; nil where it could not be read.
        package let user: UInt32?

        package init(
            pid: Int32, name: String, ancestry: [Int32], title: String, isHere: Bool, user: UInt32?
        ) {
            (self.pid, self.name, self.ancestry, self.title) = (pid, name, ancestry, title)
            (self.isHere, self.user) = (isHere, user)
        }
    }

    package let listeners: [Listener]
    /// Why not all owners could be seen; nil where they could.
    package let limit: String?

    package init(listeners: [Listener], limit: String?) { (self.listeners, self.limit) = (listeners, limit) }

    package func isListening(_ port: Int) -> Bool { listeners.contains { $0.port == port } }

    /// A busy host has a line of 150 bytes for each connection.
    private static let largestTable = 64 << 20

    /// Looks at some ports. Blocks while it reads /proc.
    package static func look(at ports: Set<Int>) -> ListenerFacts? {
        var found: [(port: Int, inode: String)] = []
        var isReadable = false
        for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
            guard let bytes = try? FileSystem.readAll(file, limit: largestTable) else { continue }
            isReadable = true
            found += sockets(in: String(decoding: bytes, as: UTF8.self)).filter { ports.contains($0.port) }
        }
        guard isReadable else { return nil }
        let owners = owners(of: Set(found.map { "socket:[\($0.inode)]" }))
        let listeners = found.map { Listener(port: $0.port, owner: owners.found["socket:[\($0.inode)]"]) }
        return ListenerFacts(listeners: listeners, limit: owners.limit)
    }

    /// The listening sockets of a table: port and inode.
    package static func sockets(in table: String) -> [(port: Int, inode: String)] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":"),
                let port = Int(fields[1][fields[1].index(after: colon)...], radix: 16)
            else { return nil }
            return (port, String(fields[9]))
        }
    }

    /// Of several processes with the same socket, as nginx's master and workers are, the one that the others are children of. Its
    /// number need not be the lowest: numbers begin anew when they have come to their end.
    private static func owners(of sockets: Set<String>) -> (found: [String: Owner], limit: String?) {
        guard !sockets.isEmpty else { return ([:], nil) }
        var pids: [String: [Int32]] = [:]
        var isDenied = false
        let processes = ((try? FileSystem.entries(of: "/proc")) ?? []).compactMap { Int32($0) }.sorted()
        for pid in processes {
            let descriptors: [String]
            do throws(FileError) {
                descriptors = try FileSystem.entries(of: "/proc/\(pid)/fd")
            } catch {
                isDenied = isDenied || error.isPermission
                continue
            }
            for descriptor in descriptors {
                guard let link = try? FileSystem.linkText("/proc/\(pid)/fd/\(descriptor)"), sockets.contains(link)
                else { continue }
                pids[link, default: []].append(pid)
            }
        }
        var found: [String: Owner] = [:]
        for (socket, holders) in pids {
            found[socket] = topmost(holders, parent: parent).flatMap(owner)
        }
        return (
            found, isDenied && found.count < sockets.count ? "not root: other users' processes cannot be seen" : nil
        )
    }

    /// The process that is nobody's child among these.
    package static func topmost(_ pids: [Int32], parent: (Int32) -> Int32?) -> Int32? {
        pids.first { pid in parent(pid).map { !pids.contains($0) } ?? true } ?? pids.first
    }

    private static func owner(_ pid: Int32) -> Owner? {
        guard let name = ProcessName.of(pid) else { return nil }
        let title = (text("/proc/\(pid)/cmdline") ?? "").split { $0 == "\0" || $0 == "\n" }.joined(separator: " ")
        var ancestry = [pid]
        while let last = ancestry.last, last > 1, ancestry.count < 64, let parent = parent(of: last) {
            ancestry.append(parent)
        }
        func namespace(_ process: String) -> String? { try? FileSystem.linkText("/proc/\(process)/ns/mnt") }
        return Owner(
            pid: pid, name: name, ancestry: ancestry, title: title,
            isHere: namespace("\(pid)") == namespace("self"),
            user: text("/proc/\(pid)/status").flatMap(realUser))
    }

    /// The first of the four numbers in a status's line of users.
    package static func realUser(in status: String) -> UInt32? {
        let line = status.split(separator: "\n").first { $0.hasPrefix("Uid:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { UInt32($0) }
    }

    private static func parent(of pid: Int32) -> Int32? {
        guard let stat = text("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        return fields.count > 1 ? Int32(fields[1]) : nil
    }

    private static func text(_ path: String) -> String? {
        (try? FileSystem.readAll(path)).map { String(decoding: $0, as: UTF8.self) }
    }
}
