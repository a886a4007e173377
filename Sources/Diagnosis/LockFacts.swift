import FoundationEssentials
import Glibc
import Lineages
import Renewal

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
            return .held(pid: pid, program: program ?? "?", since: ProcessTimes.start(of: pid))
        } catch {
            return error.isNotFound ? .free : .unknown("\(error)")
        }
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
                    .lockHeld, at: path, "the tree is locked by process \(pid) (\(program))\(span)", .lockHung(pid: pid)
                )
            } else {
                findings.warn(
                    .lockHeld, at: path, "the tree is locked by process \(pid) (\(program))\(span): a run is going on",
                    .lockHeld(pid: pid))
            }
        }
        findings.pass([.lockHeld], at: path)
        return findings
    }
}
