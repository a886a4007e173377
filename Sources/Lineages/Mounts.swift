/// What mount namespaces (this one, containers, sandboxed services) hold of a directory.
package enum Mounts {
    /// Whether some running process sees `directory` by a mount of its own, here or in another namespace: then its inode must
    /// stay, or that process would keep the old one for good.
    ///
    /// Yes also where it cannot be found out at all. A process that may not be looked at, or is in another process namespace, is
    /// ignored: a confined process asks one that is not, with ``mark(of:)``.
    static func pin(_ directory: String) -> Bool {
        let path = FileSystem.resolved(directory)
        guard let own = table(of: "self"), let processes = try? FileSystem.entries(of: "/proc"),
            let place = place(of: path, in: own)
        else { return true }
        var seen: Set<String> = []
        for process in ["self"] + processes.filter({ $0.allSatisfy(\.isNumber) }) {
            guard let namespace = try? FileSystem.linkText("/proc/\(process)/ns/mnt"), seen.insert(namespace).inserted,
                let table = table(of: process)
            else { continue }
            if table.contains(where: { $0.device == place.device && $0.root == place.root }) { return true }
        }
        return false
    }

    /// Where running processes see a directory, by whatever mounts they have; its own path here is not among them.
    package static func views(of directory: String) -> Set<String> {
        let path = FileSystem.resolved(directory)
        guard let own = table(of: "self"), let processes = try? FileSystem.entries(of: "/proc"),
            let place = place(of: path, in: own)
        else { return [] }
        var seen: Set<String> = []
        var views: Set<String> = []
        for process in ["self"] + processes.filter({ $0.allSatisfy(\.isNumber) }) {
            guard let namespace = try? FileSystem.linkText("/proc/\(process)/ns/mnt"), seen.insert(namespace).inserted,
                let table = table(of: process)
            else { continue }
            for mount in table where mount.device == place.device {
                let root = mount.root == "/" ? "" : mount.root
                guard place.root == mount.root || place.root.hasPrefix(root + "/") else { continue }
                let point = mount.point == "/" ? "" : mount.point
                views.insert(point + place.root.dropFirst(root.count))
            }
        }
        views.subtract([path, directory])
        return views
    }

    /// What stands in a line of `/proc/PID/mountinfo` where that process has a mount of this very directory; nil where it
    /// cannot be found out.
    package static func mark(of directory: String) -> String? {
        guard let own = table(of: "self"), let place = place(of: FileSystem.resolved(directory), in: own) else {
            return nil
        }
        return " \(place.device) \(escaped(place.root)) "
    }

    /// One mount, as proc(5) has it: which file system, what directory of it, and where.
    private struct Mount {
        let device: Substring
        let root: String
        let point: String
    }

    /// Where a directory is within its file system, whatever is mounted where.
    private static func place(of path: String, in table: [Mount]) -> (device: Substring, root: String)? {
        // Of two mounts on one point the later hides the earlier.
        let covering = table.filter { $0.point == "/" || path == $0.point || path.hasPrefix($0.point + "/") }
        guard let longest = covering.map(\.point.utf8.count).max(),
            let mount = covering.last(where: { $0.point.utf8.count == longest })
        else { return nil }
        let rest = mount.point == "/" ? path : String(path.dropFirst(mount.point.count))
        let root = mount.root == "/" ? rest : mount.root + rest
        return (mount.device, root.isEmpty ? "/" : root)
    }

    private static func table(of process: String) -> [Mount]? {
        guard let bytes = try? FileSystem.readAll("/proc/\(process)/mountinfo") else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            // id, parent, device, root within the file system, mount point, …
            let fields = line.split(separator: " ")
            guard fields.count > 4 else { return nil }
            return Mount(device: fields[2], root: unescaped(fields[3]), point: unescaped(fields[4]))
        }
    }

    /// mountinfo writes space, tab, newline and backslash as three octal digits.
    private static func unescaped(_ field: Substring) -> String {
        guard field.contains("\\") else { return String(field) }
        var bytes: [UInt8] = []
        var rest = Array(field.utf8)[...]
        while let byte = rest.first {
            if byte == UInt8(ascii: "\\"), rest.count >= 4,
                let value = UInt8(String(decoding: rest.dropFirst().prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(4)
            } else {
                bytes.append(byte)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func escaped(_ path: String) -> String {
        var text = ""
        for scalar in path.unicodeScalars {
            switch scalar {
            case " ": text += "\\040"
            case "\t": text += "\\011"
            case "\n": text += "\\012"
            case "\\": text += "\\134"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
