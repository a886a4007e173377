import ACME
import Deployment
import Foundation
import Lineages
import PKI
import Rig
import Synchronization
import Testing

@testable import Challenges

/// A program that speaks the line protocol, as an operator may write one.
@Suite(.timeLimit(.minutes(5)))
struct ProgramTests {
    /// The script of docs/dns.md, which keeps its records as lines of a file.
    private static var tenLines: String {
        let page = contents(ofFile: "\(BuiltProgram.repository)/docs/dns.md") ?? ""
        let script = page.split(separator: "```").first { $0.hasPrefix("sh\n#!/bin/sh\n") }
        return String(script?.dropFirst("sh\n".count) ?? "")
    }

    private static func challenge(_ name: String, token: String = "token") -> PendingChallenge {
        let name = SubjectName(name)!
        let identifier = name.isWildcard ? String(name.description.dropFirst(2)) : name.description
        return PendingChallenge(
            name: name, identifierValue: identifier, type: "dns-01", token: token,
            keyAuthorization: "\(token).thumbprint")
    }

    /// A solver with a program of this text; its reports are kept.
    private static func withSolver<R: Sendable>(
        _ script: String, timeout: Duration = .seconds(60),
        _ body: (ProgramSolver, String, @escaping @Sendable () -> [String]) async throws -> R
    ) async throws -> R {
        try await TemporaryDirectory.with { directory in
            let path = "\(directory)/program"
            try script.write(toFile: path, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            try Data().write(to: URL(filePath: "\(directory)/zone"))
            let reports = Reports()
            var settings = ChallengeSettings(report: { reports.add($0) })
            // Nobody is there to be asked.
            settings.dns = ChallengeDNS(resolver: DNSServer("127.0.0.1:9"))
            settings.programTimeout = timeout
            let method = ProofMethod.program(path: path, credentials: nil)
            let program = try SolverProgram(path: path, credentials: nil, settings)
            return try await body(ProgramSolver(program, method: method, settings), directory) { reports.all }
        }
    }

    private final class Reports: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
    }

    private static func zone(_ directory: String) -> [String] {
        (contents(ofFile: "\(directory)/zone") ?? "").split(separator: "\n").map(String.init)
    }

    @Test func `a script of ten lines makes the records and takes them away`() async throws {
        try await Self.withSolver(Self.tenLines) { solver, directory, _ in
            let challenges = [Self.challenge("a.example", token: "one"), Self.challenge("*.a.example", token: "two")]
            #expect(solver.challengeType(for: challenges[1].name) == "dns-01")
            try await solver.present(challenges)
            try await solver.wait(challenges)
            let zone = Self.zone(directory)
            #expect(zone.count == 2 && zone.allSatisfy { $0.hasPrefix("_acme-challenge.a.example ") })
            // RFC 8555 §8.4: the digest of the key authorization, 43 characters.
            #expect(zone.allSatisfy { $0.split(separator: " ")[1].count == 43 })
            await solver.cleanUp(challenges)
            #expect(Self.zone(directory).isEmpty)
        }
    }

    @Test func `what a run that was killed left is taken away from what it noted`() async throws {
        try await Self.withSolver(Self.tenLines) { solver, directory, _ in
            let saved = Mutex<Data>(Data())
            let recording = RecordingSolver(solver) { list in
                let data = try JSONEncoder().encode(list)
                saved.withLock { $0 = data }
            }
            let challenges = [Self.challenge("*.a.example")]
            try await recording.present(challenges)
            let noted = try JSONDecoder().decode([PresentedChallenge].self, from: saved.withLock { $0 })
            #expect(noted.compactMap(\.pending) == challenges)
            // Another process, later.
            let path = "\(directory)/program"
            let settings = ChallengeSettings(dns: ChallengeDNS(resolver: DNSServer("127.0.0.1:9")))
            let later = ProgramSolver(
                try SolverProgram(path: path, credentials: nil, settings),
                method: .program(path: path, credentials: nil), settings)
            #expect(Self.zone(directory).count == 1)
            await later.cleanUp(noted.compactMap(\.pending))
            #expect(Self.zone(directory).isEmpty)
            await recording.cleanUp(challenges)
            #expect(try JSONDecoder().decode([PresentedChallenge].self, from: saved.withLock { $0 }).isEmpty)
        }
    }

    @Test func `an error is told with what the program printed`() async throws {
        let script =
            "#!/bin/sh\nwhile read -r verb rest; do case $verb in present) echo 'HTTP 403: bad key' >&2; sleep 0.2; echo error no such zone ;; *) echo ok ;; esac; done"
        try await Self.withSolver(script) { solver, _, reports in
            let challenges = [Self.challenge("a.example")]
            let failure = await #expect(throws: ChallengeFailure.self) { try await solver.present(challenges) }
            #expect(failure?.names == ["a.example"])
            #expect(failure?.reason.contains("no such zone") == true)
            #expect(failure?.reason.contains("HTTP 403: bad key") == true)
            await solver.cleanUp(challenges)
            #expect(reports().contains { $0.hasSuffix("HTTP 403: bad key") })
        }
    }

    @Test(arguments: [
        ("#!/bin/sh\nexit 3", "exited with 3"), ("#!/nonexistent\n", "exited with 12"),
        ("#!/bin/sh\nkill -9 $$", "signal 9"), ("#!/bin/sh\nread -r x; echo what", "answered: what"),
    ])
    func `a program that ends or talks nonsense is a failure that says so`(script: String, reason: String) async throws
    {
        try await Self.withSolver(script) { solver, _, _ in
            let challenges = [Self.challenge("a.example")]
            let failure = await #expect(throws: ChallengeFailure.self) { try await solver.present(challenges) }
            #expect(failure?.reason.contains(reason) == true, "\(failure?.reason ?? "")")
            await solver.cleanUp(challenges)
        }
    }

    @Test func `a program that hangs is not waited for, and ends with all that it started`() async throws {
        let script =
            "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $$ $! >\"$(dirname \"$0\")/zone\"\nwhile read -r verb rest; do [ \"$verb\" = wait ] && sleep 1000; echo ok; done"
        try await Self.withSolver(script, timeout: .seconds(1)) { solver, directory, _ in
            let challenges = [Self.challenge("a.example")]
            try await solver.present(challenges)
            let failure = await #expect(throws: ChallengeFailure.self) { try await solver.wait(challenges) }
            #expect(failure?.reason.contains("did not answer within 1 s") == true)
            let pids = Self.zone(directory)[0].split(separator: " ").compactMap { Int32($0) }
            let start = ContinuousClock.now
            await solver.cleanUp(challenges)
            #expect(ContinuousClock.now - start < .seconds(100))
            #expect(pids.count == 2)
            // What is killed is gone a moment later.
            while pids.contains(where: Daemon.isRunning), ContinuousClock.now - start < .seconds(100) {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(!pids.contains(where: Daemon.isRunning))
        }
    }

    @Test func `the end of its input makes a program clean up when certctl dies`() async throws {
        let script = #"""
            #!/bin/sh
            zone=$(dirname "$0")/zone
            while read -r verb rest; do
                [ "$verb" != present ] || echo "$rest" >>"$zone"
                echo ok
            done
            : >"$zone"
            """#
        try await TemporaryDirectory.with { directory in
            let path = "\(directory)/program"
            try script.write(toFile: path, atomically: true, encoding: .utf8)
            do {
                let program = LineProgram(LaunchedCommand(.program("/bin/sh")))
                await program.end(within: .seconds(1))
            }
            let program = LineProgram(LaunchedCommand(Command(executable: "/bin/sh", arguments: [path])))
            #expect(try await program.ask("present x", within: .seconds(30)) == "ok")
            #expect(Self.zone(directory) == ["x"])
            await program.end(within: .seconds(30))
            #expect(Self.zone(directory).isEmpty)
        }
    }
}
