import FoundationEssentials
import Rig
import Testing

/// An operator at a root shell of a host with systemd who does what doctor prints.
struct UnitRobot {
    let host: SystemdHost

    /// What doctor said of a check.
    struct Entry: Decodable {
        let id: String
        let verdict: String
        let lineage: String?
        let evidence: String
    }

    private struct Document: Decodable {
        let checks: [Entry]
    }

    /// What doctor said first.
    struct Seen {
        let text: String
        let entries: [Entry]

        var lines: [String] { text.split(separator: "\n").map(String.init) }

        func expect(
            _ id: String, first: String, remedy: String, evidence: String = "",
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            #expect(
                lines[0].contains(first) && lines[0].hasSuffix("[\(id)]"), "\(text)", sourceLocation: sourceLocation)
            #expect(lines[1].contains(remedy), "\(text)", sourceLocation: sourceLocation)
            let found = entries.filter { $0.id == id && $0.verdict == "failure" }.map(\.evidence)
            #expect(
                evidence.isEmpty || found.contains { $0.contains(evidence) }, "\(found)",
                sourceLocation: sourceLocation)
        }
    }

    /// Follows doctor from a fault that has been made; as ``RemedyLoop``.
    @discardableResult
    func follow(
        _ fault: String, person: Bool = false, sourceLocation: SourceLocation = #_sourceLocation,
        fix: (() async throws -> Void)? = nil
    ) async throws -> Seen {
        var first: Seen?
        let loop = RemedyLoop(fault, endsWithPerson: person, sourceLocation: sourceLocation)
        _ = try await loop.follow(
            ask: {
                let text = try await host.exec("certctl", ["doctor"])
                let json = try await host.exec("certctl", ["doctor", "--format", "json"])
                guard let document = try? JSONDecoder().decode(Document.self, from: Data(json.stdout.utf8)) else {
                    throw RigError("no document: \(json.stdout)\(json.stderr)")
                }
                if environmentVariable("CERTCTL_SHOW") != nil { print(text.stdout) }
                first = first ?? Seen(text: text.stdout, entries: document.checks)
                let failures = document.checks.filter { $0.verdict == "failure" }
                return RemedyLoop.Answer(
                    text: text.stdout, status: text.status,
                    failures: Set(failures.map { "\($0.id) \($0.lineage ?? "")" }))
            }, run: { try await host.exec("sh", ["-c", $0], timeout: .seconds(240)) }, fix: fix)
        guard let first else { throw RigError(fault) }
        return first
    }
}
