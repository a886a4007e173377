import FoundationEssentials
import Glibc
import Rig
import Testing

/// The JSON documents are what their schemas say, and those of 0.1.0 are still read.
@Suite(.parts("openssl", "python3"))
struct DocumentTests {
    private static let repository = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// Validates a document, and fails for a member that its schema does not know.
    private static let validation = """
        import json, sys, jsonschema
        schema = json.load(open(sys.argv[1]))
        jsonschema.Draft202012Validator.check_schema(schema)
        document = json.load(sys.stdin)
        jsonschema.Draft202012Validator(schema).validate(document)
        def known(value, schema):
            schema = schema.get("$ref") and schemas[schema["$ref"].split("/")[-1]] or schema
            if isinstance(value, dict):
                for key in value:
                    assert key in schema["properties"], key + " is not in the schema"
                    known(value[key], schema["properties"][key])
            elif isinstance(value, list):
                for item in value: known(item, schema["items"])
        schemas = schema["$defs"]
        known(document, schema)
        print(document["schema"], document["generatedAt"][:2], len(document[sys.argv[2]]))
        """

    /// Expects a document of its schema.
    private func expect(_ document: String, _ schema: String, _ array: String, count: Int? = nil) async throws {
        let path = "\(DocumentTests.repository)/docs/reference/\(schema).schema.json"
        let checked = try await sh(
            "/usr/bin/python3", ["-c", DocumentTests.validation, path, array], input: document)
        let facts = checked.stdout.split(separator: " ").map { $0.filter(\.isNumber) }
        #expect(checked.status == 0 && facts.starts(with: ["2", "20"]), "\(checked.stderr)\(document)")
        if let count { #expect(facts.last == "\(count)", "\(document)") }
    }

    private static func withTree(_ body: (Certctl) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            let ca = try await DatedCA(in: directory)
            var certctl = Certctl(tree: "\(directory)/letsencrypt", state: "\(directory)/state")
            certctl.isWithoutNetwork = true
            try await ca.addLineage(
                "fresh.example", tree: certctl.tree, params: "authenticator = webroot\nwebroot_path = /w,")
            try await ca.addLineage("due.example", from: "-65 days", to: "25 days", tree: certctl.tree)
            try "".write(toFile: "\(certctl.tree)/renewal/broken.example.conf", atomically: true, encoding: .utf8)
            try await body(certctl)
        }
    }

    @Test func `each document is what its schema says`() async throws {
        try await Self.withTree { certctl in
            try await expect(
                certctl.status("--format", "json", "--probe").stdout, "status", "lineages", count: 3)
            try await expect(certctl.doctor(["--format", "json"]).stdout, "doctor", "checks")
            #expect(try await certctl.deploy("fresh.example").status == 0)
            try await expect(certctl.history("--format", "json").stdout, "history", "events")
            try await expect(string("\(certctl.state)/status.json"), "status", "lineages", count: 3)
        }
    }

    @Test func `the page shows a document of the present schema`() throws {
        let page = string("\(DocumentTests.repository)/docs/reference/json.md")
        #expect(page.contains("\"schema\" : 2") && !page.contains("\"schema\" : 1"))
    }

    /// As 0.1.0 wrote them.
    private static let oldStatus = """
        {
          "generatedAt" : "2026-11-25T19:15:13Z",
          "lastRun" : { "at" : "2026-11-25T19:15:13Z", "by" : "terminal", "command" : "renew", "exitCode" : 1 },
          "lineages" : [
            {
              "attempts" : 3, "daysLeft" : 40.5, "domains" : [ "old.example" ], "name" : "old.example",
              "notAfter" : "2126-01-05T07:15:13Z", "notBefore" : "2026-10-07T07:15:13Z", "problems" : [ ],
              "renewal" : { "at" : "2026-11-25T23:15:13Z", "because" : "deployed, not seen served yet" },
              "served" : [
                { "counts" : true, "detail" : "refused", "endpoint" : "127.0.0.1:443", "name" : "old.example",
                  "verdict" : "unreachable" }
              ],
              "stage" : "deployed", "state" : "pending", "version" : 4
            }
          ],
          "schema" : 1
        }
        """

    @Test func `a status file and a history of 0.1.0 are read, and shown with the new names`() async throws {
        try #require(getuid() == 0, "needs root, to become another user")
        try await Self.withTree { certctl in
            let directory = certctl.tree.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            try await check("chmod", ["755", directory])
            try await check("mkdir", ["-p", certctl.state])
            try Self.oldStatus.write(toFile: "\(certctl.state)/status.json", atomically: true, encoding: .utf8)
            try await check("chmod", ["700", certctl.tree])
            let copy = "\(directory)/certctl-copy"
            try await check("install", ["-m", "755", Certctl.path, copy])
            let words =
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", copy]
                + certctl.commandLine("status", []).dropFirst()
            let json = try await sh("setpriv", words + ["--format", "json"], environment: certctl.variables)
            #expect(json.status == 0, "\(json.stderr)")
            try await expect(json.stdout, "status", "lineages", count: 1)
            #expect(json.stdout.contains("\"consecutiveFailures\" : 3") && json.stdout.contains("\"required\" : true"))
            #expect(
                json.stdout.contains("\"reason\" : \"deployed, not seen served yet\"")
                    && json.stdout.contains("\"by\" : \"manual\""))

            let event =
                #"{"at":"2026-11-01T00:00:00Z","by":"terminal","event":"verified","lineage":"old.example","to":"0a0b"}"#
            try (event + "\n").write(toFile: "\(certctl.state)/history.jsonl", atomically: true, encoding: .utf8)
            try await expect(certctl.history("--format", "json").stdout, "history", "events", count: 1)
            #expect(try await certctl.history().stdout.contains(" manual "))

            // What a later version has left may mean something else.
            try Self.oldStatus.replacing("\"schema\" : 1", with: "\"schema\" : 3")
                .write(toFile: "\(certctl.state)/status.json", atomically: true, encoding: .utf8)
            let later = try await sh("setpriv", words + ["--format", "json"], environment: certctl.variables)
            #expect(later.status == 78 && later.stdout.isEmpty, "\(later.stdout)")
        }
    }
}
