import FoundationEssentials
import Glibc
import Lineages

/// When processes were started.
enum ProcessTimes {
    /// From the ticks since the boot that proc(5) has (field 22 of stat), and the boot's time.
    static func start(of pid: Int32) -> Date? {
        func text(_ path: String) -> String? {
            (try? FileSystem.readAll(path)).map { String(decoding: $0, as: UTF8.self) }
        }
        guard let stat = text("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")"),
            let boot = text("/proc/stat")?.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
            let bootTime = Double(boot.dropFirst("btime ".count))
        else { return nil }
        // After the name come fields 3 and on.
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let ticks = Double(fields[19]) else { return nil }
        return Date(timeIntervalSince1970: bootTime + ticks / Double(max(1, sysconf(Int32(_SC_CLK_TCK)))))
    }
}
