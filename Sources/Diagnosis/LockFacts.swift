import FoundationEssentials
import Glibc
import Lineages

/// Who holds certbot's lock on the tree. Asked without taking it.
enum LockFacts: Equatable, Sendable {
    case free
    /// A process, its program's name, and since when it runs.
    case held(pid: Int32, program: String, since: Date?)
    case unknown(String)

    static func look(at path: String) -> LockFacts {
        do throws(FileError) {
            guard let pid = try FileSystem.lockHolder(of: path) else { return .free }
            let program = (try? FileSystem.readAll("/proc/\(pid)/comm")).map {
                String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            }
            return .held(pid: pid, program: program ?? "?", since: started(pid))
        } catch {
            return error.isNotFound ? .free : .unknown("\(error)")
        }
    }

    /// From the ticks since the boot that proc(5) has (field 22 of stat), and the boot's time.
    private static func started(_ pid: Int32) -> Date? {
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

enum LockJudgement {
    /// Longer than a run with a slow CA and slow hooks takes.
    static let long: TimeInterval = 3600

    static func findings(_ facts: LockFacts, at path: String, now: Date) -> Findings {
        var findings = Findings()
        switch facts {
        case .free: break
        case .unknown(let reason): findings.skip([.lockHeld], at: path, because: reason)
        case .held(let pid, let program, let since):
            let age = since.map { now.timeIntervalSince($0) }
            let span = age.map { ", running for \(Span.text(max(0, $0)))" } ?? ""
            if let age, age > long {
                findings.fail(
                    .lockHeld, at: path, "the tree is locked by process \(pid) (\(program))\(span)",
                    remedy: "ps -fp \(pid)   # if it hangs: kill \(pid)")
            } else {
                findings.warn(
                    .lockHeld, at: path, "the tree is locked by process \(pid) (\(program))\(span): a run is going on",
                    remedy: "ps -fp \(pid)")
            }
        }
        findings.pass([.lockHeld], at: path)
        return findings
    }
}
