import FoundationEssentials
import Rig
import Testing

/// The workflows of docs/example: their shell is run as a runner does it, on a server that is a directory.
@Suite(.parts("python3", "jq", "shellcheck"))
struct WorkflowTests {
    /// What is read of a workflow.
    private struct Workflow: Decodable {
        struct Job: Decodable { let steps: [Step] }
        struct Step: Decodable {
            let name: String?
            let run: String?
            let env: [String: String]?
        }
        let jobs: [String: Job]

        var steps: [Step] { jobs.values.flatMap(\.steps) }
    }

    private static let names = ["deploy", "maintenance"]

    private func workflow(_ name: String) async throws -> Workflow {
        // "on" is a boolean to YAML 1.1, and no key for JSON: as text it is one.
        let json = try await check(
            "/usr/bin/python3", ["-c", "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"],
            input: contents(ofFile: "\(MarkdownPage.repository)/docs/example/workflows/\(name).yml") ?? "")
        return try JSONDecoder().decode(Workflow.self, from: Data(json.utf8))
    }

    @Test(arguments: names)
    func `the YAML is valid, its shell clean, and secrets go by environment alone`(name: String) async throws {
        let workflow = try await workflow(name)
        for step in workflow.steps {
            guard let script = step.run else { continue }
            let output = try await sh("shellcheck", ["--shell=bash", "-"], input: script)
            #expect(output.status == 0, "\(step.name ?? ""): \(output.stdout)")
            #expect(!script.contains("${{"), "what a runner puts into a script is run by it")
            #expect(!script.contains("set -x"))
            let secrets = (step.env ?? [:]).filter { $0.value.contains("secrets.") }.keys
            #expect(secrets.allSatisfy { script.contains("printf '%s\\n' \"$\($0)\" >~/.ssh/") })
        }
        let connect = try #require(workflow.steps.first { $0.name == "Connect" }?.run)
        #expect(
            connect.contains("StrictHostKeyChecking yes") && connect.contains("UserKnownHostsFile ~/.ssh/server-hosts"))
    }

    @Test func `connecting writes the key for its owner only, and a host that it trusts by key`() async throws {
        try await Server.with { server in
            for name in WorkflowTests.names {
                let output = try await server.run(
                    step("Connect", of: name),
                    ["SSH_KEY": "KEY\nKEY", "SSH_KNOWN_HOSTS": "h k", "SSH_HOST": "h.example", "SSH_USER": "me"])
                #expect(output.status == 0, "\(output.stderr)")
                #expect(!(output.stdout + output.stderr).contains("KEY"))
                let files = try await check(
                    "stat", ["-c", "%a %n", ".ssh/server-key", ".ssh/config"], directory: server.home)
                #expect(files == "600 .ssh/server-key\n600 .ssh/config\n")
                #expect(
                    contents(ofFile: "\(server.home)/.ssh/config")?.contains("    HostName h.example\n    Port 22\n")
                        == true)
            }
        }
    }

    private func step(_ name: String, of workflow: String) async throws -> String {
        try #require(try await self.workflow(workflow).steps.first { $0.name == name }?.run)
    }

    @Test func `a deployment installs the package once, brings the stack up, and asks the doctor`() async throws {
        try await Server.with { server in
            try await check(
                "sh", ["-c", "mkdir nginx && echo conf >nginx/a.conf && echo x >docker-compose.prod.yml"],
                directory: server.home)
            try "a package".write(toFile: "\(server.home)/origin.deb", atomically: false, encoding: .utf8)
            let sum = try await check("sha256sum", ["\(server.home)/origin.deb"]).split(separator: " ")[0]
            let package = ["CERTCTL_VERSION": "0.2.0", "CERTCTL_URL": "file://\(server.home)/origin.deb"]
            let install = try await step("Install certctl", of: "deploy")

            let forged = try await server.run(
                install, package.merging(["CERTCTL_SHA256": String(repeating: "0", count: 64)]) { $1 })
            #expect(forged.status != 0)
            #expect(server.calls() == ["dpkg-query --show --showformat=${Version} certctl"])

            let output = try await server.run(install, package.merging(["CERTCTL_SHA256": String(sum)]) { $1 })
            #expect(output.status == 0, "\(output.stderr)")
            #expect(server.calls().last?.hasSuffix("--force-confold ./certctl.deb") == true)
            try "0.2.0".write(toFile: "\(server.directory)/version", atomically: false, encoding: .utf8)
            _ = try await server.run(install, package)
            #expect(server.calls() == ["dpkg-query --show --showformat=${Version} certctl"])

            let stack = try await server.run(step("Deploy the stack", of: "deploy"))
            #expect(stack.status == 0, "\(stack.stderr)")
            let compose = "docker compose -f docker-compose.prod.yml"
            #expect(
                server.calls().filter { $0.hasPrefix("docker") } == [
                    "\(compose) pull --quiet", "\(compose) up --detach --wait",
                    "\(compose) exec -T nginx nginx -t -q", "\(compose) exec -T nginx nginx -s reload",
                ])
            #expect(contents(ofFile: "\(server.directory)/srv/example/nginx/a.conf") == "conf\n")
            _ = try await server.run(step("Have certctl renew, with the hook that reloads nginx", of: "deploy"))
            try server.doctor(exit: 1)
            #expect(try await server.run(step("Ask the doctor", of: "deploy")).status == 1)
            #expect(server.calls() == ["certctl setup --yes", "certctl doctor"])
        }
    }

    @Test func `diagnose shows both, and fails if either does`() async throws {
        try await Server.with { server in
            let diagnose = try await step("Diagnose", of: "maintenance")
            #expect(try await server.run(diagnose).status == 0)
            try server.doctor(exit: 1)
            #expect(try await server.run(diagnose).status == 1)
            #expect(server.calls() == ["certctl doctor", "certctl status", "certctl doctor", "certctl status"])
        }
    }

    private static let checks = """
        [{"verdict": "failure", "action": "renew", "lineage": "b.example"},
         {"verdict": "failure", "action": "renew", "lineage": "a.example"},
         {"verdict": "failure", "action": "renew", "lineage": "a.example"},
         {"verdict": "failure", "action": "renew", "lineage": "$(touch owned)"},
         {"verdict": "failure", "action": "deploy", "lineage": "c.example"},
         {"verdict": "ok", "action": "none", "lineage": "d.example"},
         {"verdict": "failure", "action": "renew", "lineage": null}]
        """

    @Test(arguments: [
        ("none", []), ("deploy", ["certctl deploy"]), ("operator", []),
        ("renew", ["certctl renew --force $(touch owned) a.example b.example"]),
    ])
    func `the script on doctor's page renews the lineages that need it, and no other`(
        action: String, commands: [String]
    ) async throws {
        try await Server.with { server in
            let block = try MarkdownPage("docs/doctor.md").blocks.first { $0.lines.contains { $0.contains("jq -r") } }
            let script = try #require(block).lines.joined(separator: "\n")
            try server.doctor(exit: 1, json: #"{"action": "\#(action)", "checks": \#(WorkflowTests.checks)}"#)
            let path = "\(server.directory)/bin:\(environmentVariable("PATH") ?? "/usr/bin:/bin")"
            let output = try await server.run(script, ["PATH": path, "LC_ALL": "C"])
            #expect(output.status == (action == "operator" ? 1 : 0), "\(output.stderr)")
            #expect(server.calls() == ["certctl doctor --format json"] + commands)
            #expect(!FileManager.default.fileExists(atPath: "\(server.home)/owned"))
        }
    }

    @Test(arguments: [
        ("none", []), ("deploy", ["certctl deploy"]), ("operator", []), ("something new", []),
        ("renew", ["certctl renew --force a.example", "certctl renew --force b.example"]),
    ])
    func `fix-ssl does what doctor says, and ends with what is left`(action: String, commands: [String]) async throws {
        try await Server.with { server in
            let script = try await step("Fix TLS", of: "maintenance")
            try server.doctor(exit: 1, json: #"{"action": "\#(action)", "checks": \#(WorkflowTests.checks)}"#)
            let output = try await server.run(script)
            #expect(output.status == 1, "something is still wrong: \(output.stderr)")
            #expect(server.calls() == ["certctl doctor --format json"] + commands + ["certctl doctor"])
            let names = try FileManager.default.contentsOfDirectory(atPath: server.directory)
            #expect(!names.contains("owned"))
        }
    }
}

/// A runner and a server in two directories: what is sent by ssh is run by a shell in the server's, where programs note that
/// they were called.
private struct Server {
    let home: String
    let directory: String

    static func with(_ body: (Server) async throws -> Void) async throws {
        try await TemporaryDirectory.with { root in
            let server = Server(home: "\(root)/home", directory: "\(root)/server")
            for path in ["home", "runner", "server/bin", "server/srv"] {
                try FileManager.default.createDirectory(atPath: "\(root)/\(path)", withIntermediateDirectories: true)
            }
            let place = shellQuoted(server.directory)
            try await write(
                "\(root)/runner/ssh",
                """
                if [ "$1" = -n ]; then shift; exec </dev/null; fi
                [ "$1" = server ] || exit 255
                shift
                cd \(place) && PATH=\(place)/bin:$PATH exec sh -c "$(printf '%s' "$*" | sed "s,/srv/,$PWD/srv/,g")"
                """)
            try await write("\(root)/runner/scp", "cp \"$2\" \(place)/\"${3#server:}\"")
            try await write("\(server.directory)/bin/sudo", "exec \"$@\"")
            let note = "echo \"${0##*/} $*\" >>\(place)/calls"
            for program in ["apt-get", "docker"] { try await write("\(server.directory)/bin/\(program)", note) }
            try await write("\(server.directory)/bin/dpkg-query", "\(note)\ncat \(place)/version")
            try await write(
                "\(server.directory)/bin/certctl",
                """
                \(note)
                case $* in
                "doctor --format json") cat \(place)/doctor.json ;;
                esac
                [ "$1" != doctor ] || exit "$(cat \(place)/doctor.exit)"
                """)
            // A shell that is given its script by stdin has the same view of /srv.
            try await write(
                "\(server.directory)/bin/sh",
                """
                if [ "$1" = -eu ]; then sed "s,/srv/,\(server.directory)/srv/,g" | exec /bin/sh -eu; else exec /bin/sh "$@"; fi
                """)
            try server.doctor(exit: 0)
            try await body(server)
        }
    }

    /// By a process that is gone then: a child that another test starts has what this one writes open, too, for a moment, and
    /// nobody can run it.
    private static func write(_ path: String, _ script: String) async throws {
        try await check(
            "sh", ["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh", path], input: "#!/bin/sh\n\(script)\n")
    }

    /// What doctor will find.
    func doctor(exit code: Int, json: String = #"{"action": "none", "checks": []}"#) throws {
        try "\(code)\n".write(toFile: "\(directory)/doctor.exit", atomically: false, encoding: .utf8)
        try json.write(toFile: "\(directory)/doctor.json", atomically: false, encoding: .utf8)
    }

    /// Runs a step's script as a runner does.
    func run(_ script: String, _ environment: [String: String] = [:]) async throws -> Output {
        let path = environmentVariable("PATH") ?? "/usr/bin:/bin"
        let runner = home.dropLast("home".count) + "runner"
        return try await sh(
            "bash", ["--noprofile", "--norc", "-e", "-c", script],
            environment: ["HOME": home, "PATH": "\(runner):\(path)"].merging(environment) { $1 }, directory: home)
    }

    /// What was called on the server since the last look.
    func calls() -> [String] {
        let text = contents(ofFile: "\(directory)/calls") ?? ""
        try? FileManager.default.removeItem(atPath: "\(directory)/calls")
        return text.split(separator: "\n").map(String.init)
    }
}
