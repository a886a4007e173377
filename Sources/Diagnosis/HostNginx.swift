import Challenges
import Deployment
import Lineages
import Renewal
import Setup

/// An nginx of the host itself that listens where the lineages are served.
struct HostNginx: Equatable, Sendable {
    let pid: Int32
    let executable: String
    let arguments: [String]

    static let testTimeout: Duration = .seconds(10)

    /// What a master process shows before the command line that it was started with.
    private static let mark = "nginx: master process "

    /// The master process among the listeners' owners that are in no container, or why root may not start its program; nil where
    /// there is none.
    ///
    /// Anybody may listen on a high port under any name, so that a process is not taken at its word: root itself must have started
    /// it, and it must be an nginx that no other user could have put there. That program alone is not enough, as the arguments are
    /// the process's, too.
    static func found(_ facts: ListenerFacts?, containers: Set<Int32>) -> Result<HostNginx, NotAsked>? {
        let masters = (facts?.listeners ?? []).compactMap(\.owner).filter { owner in
            owner.name == "nginx" && owner.isHere && owner.title.hasPrefix(mark)
                && containers.isDisjoint(with: owner.ancestry)
        }
        let found = masters.map { owner in
            Result { () throws(NotAsked) in
                try HostNginx(owner, executable: try? FileSystem.linkText("/proc/\(owner.pid)/exe"))
            }
        }
        return found.first { (try? $0.get()) != nil } ?? found.first
    }

    /// - Parameter executable: the program that the process runs; nil where it cannot be seen.
    init(_ owner: ListenerFacts.Owner, executable path: String?) throws(NotAsked) {
        let process = "process \(owner.pid), which calls itself nginx"
        guard owner.user == 0 else { throw NotAsked(reason: "\(process), was not started by root") }
        guard let path else { throw NotAsked(reason: "the program of \(process), cannot be seen") }
        guard FileSystem.name(of: path) == "nginx" else { throw NotAsked(reason: "\(process), runs \(path)") }
        if let reason = BinaryCheck.reasonAgainst(path) {
            throw NotAsked(reason: "\(path) is not started as root: \(reason)")
        }
        pid = owner.pid
        executable = path
        arguments = HostNginx.arguments(
            owner.title.dropFirst(HostNginx.mark.count).split(separator: " ").dropFirst().map(String.init))
    }

    /// The options that choose the configuration. `-g` has directives with blanks in them, which the title shows unquoted, and
    /// that say how to run and not what to serve.
    static func arguments(_ words: [String]) -> [String] {
        var kept: [String] = []
        var isDirective = false
        for word in words {
            if word.hasPrefix("-"), word.count == 2 { isDirective = word == "-g" }
            if !isDirective { kept.append(word) }
        }
        return kept
    }

    /// `nginx -t` with the same configuration, and where it passes what that says.
    func configTest(_ runner: any CommandRunner, within limit: Duration) async -> (
        ContainerFacts.ConfigTest, NginxConf?
    ) {
        let outcome = await runner.run(Command(executable: executable, arguments: arguments + ["-t"]), timeout: limit)
        let complaint = NginxWords.complaint(in: outcome.output)
        switch outcome.status {
        case .exited(0): break
        case .exited: return (.failed(complaint ?? "nginx -t \(outcome)"), nil)
        default: return (.notRun("nginx -t \(outcome)"), nil)
        }
        let dump = await runner.run(Command(executable: executable, arguments: arguments + ["-T"]), timeout: limit)
        // Of a longer one only the end is kept.
        return (.passed, dump.succeeded && !dump.outputWasCut ? NginxConf(dump: dump.output) : nil)
    }

    static let place = "nginx of the host"

    static func findings(_ test: ContainerFacts.ConfigTest) -> Findings {
        var findings = Findings()
        switch test {
        case .passed: break
        case .failed(let reason):
            findings.fail(
                .nginxConfigInvalid, at: place, "nginx -t fails: \(reason)",
                NginxComplaint(reason).fault(.host, containers: [], nginx: nil))
        case .notRun(let reason): findings.skip([.nginxConfigInvalid], at: place, because: reason)
        }
        findings.pass([.nginxConfigInvalid], at: place)
        return findings
    }
}
