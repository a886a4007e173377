import Deployment
import Lineages

/// An nginx of the host itself that listens where the lineages are served.
struct HostNginx: Equatable, Sendable {
    let executable: String
    let arguments: [String]

    static let testTimeout: Duration = .seconds(10)

    /// The master process among the listeners' owners that are in no container; nil where there is none.
    init?(_ facts: ListenerFacts?, containers: Set<Int32>) {
        let owner = facts?.listeners.lazy.compactMap(\.owner).first { owner in
            owner.name == "nginx" && owner.isHere && containers.isDisjoint(with: owner.ancestry)
        }
        // A master process shows the command line that it was started with.
        let mark = "nginx: master process "
        guard let owner, owner.title.hasPrefix(mark), let path = try? FileSystem.linkText("/proc/\(owner.pid)/exe")
        else {
            return nil
        }
        executable = path
        arguments = HostNginx.arguments(
            owner.title.dropFirst(mark.count).split(separator: " ").dropFirst().map(String.init))
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

    /// `nginx -t` with the same configuration.
    func configTest(_ runner: any CommandRunner, within limit: Duration) async -> ContainerFacts.ConfigTest {
        let outcome = await runner.run(Command(executable: executable, arguments: arguments + ["-t"]), timeout: limit)
        let complaint = NginxWords.complaint(in: outcome.output)
        return switch outcome.status {
        case .exited(0): .passed
        case .exited: .failed(complaint ?? "nginx -t \(outcome)")
        default: .notRun("nginx -t \(outcome)")
        }
    }

    static func findings(_ test: ContainerFacts.ConfigTest) -> Findings {
        var findings = Findings()
        let place = "nginx of the host"
        switch test {
        case .passed: break
        case .failed(let reason):
            findings.fail(
                .nginxConfigInvalid, at: place, "nginx -t fails: \(reason)",
                remedy: "nginx -t   # mend it, then: certctl deploy")
        case .notRun(let reason): findings.skip([.nginxConfigInvalid], at: place, because: reason)
        }
        findings.pass([.nginxConfigInvalid], at: place)
        return findings
    }
}
