import FoundationEssentials
import Rig
import Testing

/// What one run of doctor printed and said, as text and as JSON.
struct Diagnosed {
    struct Document: Decodable {
        let schema: Int
        let verdict: String
        let causes: [String]
        let action: String
        let checks: [Entry]
    }

    struct Entry: Decodable {
        let id: String
        let verdict: String
        let lineage: String?
        let lookedAt: String
        let evidence: String
        let remedy: String?
        let command: String?
        let action: String
        let causedBy: String?
    }

    let text: String
    let status: Int32
    let document: Document

    var lines: [String] { text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }

    func checks(_ id: String) -> [Entry] { document.checks.filter { $0.id == id } }

    /// The faults that were found, failures and warnings.
    func found(_ verdict: String = "failure") -> Set<String> {
        Set(document.checks.filter { $0.verdict == verdict }.map(\.id))
    }

    /// Expects a cause as the first one: in the text's first line with its name, in the second with its remedy, and in the JSON.
    func expectCause(
        _ id: String, remedy: String? = nil, action: String? = nil, evidence: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            lines[1].hasPrefix("  run: ") || lines[1].hasPrefix("  do: "), "\(text)", sourceLocation: sourceLocation)
        #expect(document.causes.first == id, "\(text)", sourceLocation: sourceLocation)
        #expect(status == 1, "\(text)", sourceLocation: sourceLocation)
        #expect(
            lines[0].hasPrefix("FAILURE") && lines[0].hasSuffix("[\(id)]"), "\(text)", sourceLocation: sourceLocation)
        let check = checks(id).first { $0.verdict == "failure" }
        if let remedy {
            #expect(check?.remedy?.contains(remedy) == true, "\(check?.remedy ?? "-")", sourceLocation: sourceLocation)
            #expect(lines.count > 1 && lines[1].contains(remedy), "\(text)", sourceLocation: sourceLocation)
        }
        if let action { #expect(document.action == action, "\(text)", sourceLocation: sourceLocation) }
        if let evidence {
            #expect(
                check?.evidence.contains(evidence) == true, "\(check?.evidence ?? "-")", sourceLocation: sourceLocation)
        }
    }

    /// Expects that nothing fails.
    func expectWell(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(status == 0 && document.causes.isEmpty, "\(text)", sourceLocation: sourceLocation)
        #expect(lines[0].hasPrefix("all is well: "), "\(text)", sourceLocation: sourceLocation)
        guard found("warning").isEmpty else { return }
        // A line for a ticket, for each certificate.
        for name in Set(document.checks.compactMap(\.lineage)) {
            #expect(lines.contains { $0.hasPrefix("\(name): serial ") }, "\(text)", sourceLocation: sourceLocation)
        }
    }
}

extension Certctl {
    /// A port on which nobody answers: no name resolves.
    private var resolver: [String] { isWithoutNetwork ? ["--resolver", "127.0.0.1:1"] : [] }

    /// Runs doctor twice, for its text and its JSON.
    func diagnosed(_ arguments: String...) async throws -> Diagnosed { try await diagnosed(arguments) }

    func diagnosed(_ arguments: [String]) async throws -> Diagnosed {
        // What changes meanwhile, such as a container that is started over and over, is looked at once more.
        for _ in 1...10 {
            let (text, json) = (
                try await doctor(resolver + arguments), try await doctor(resolver + arguments + ["--format", "json"])
            )
            guard let document = try? JSONDecoder().decode(Diagnosed.Document.self, from: Data(json.stdout.utf8)),
                document.schema == 2
            else { throw RigError("no document of schema 2: \(json.stdout)\(json.stderr)") }
            guard text.status == json.status else { continue }
            if environmentVariable("CERTCTL_SHOW") != nil { print(text.stdout) }
            return Diagnosed(text: text.stdout, status: text.status, document: document)
        }
        throw RigError("doctor says one thing as text and another as JSON, ten times")
    }
}

/// The settings of a host on which only the rig's parts are looked at.
func doctorSettings(http: Int, tls: Int?) -> String {
    "http_port = \(http)\ntimer = none\nverify_timeout = 5\nverify = \(tls.map { "127.0.0.1:\($0)" } ?? "none")\n"
}

extension Pebble {
    /// The address of its DNS server, for `--resolver`.
    var resolver: String { "127.0.0.1:\(dnsPort)" }

    /// Changes what its DNS answers: POST `/add-a`, `/set-servfail` ….
    func dns(_ path: String, _ json: String) async throws {
        _ = try await check("curl", ["-sS", "--fail", "-d", json, "\(dnsManagementURL)/\(path)"])
    }
}
