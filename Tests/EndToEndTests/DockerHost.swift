import FoundationEssentials
import Glibc
import Rig

/// A host with the stack of `docs/example` in real containers, and a certctl that works for it.
struct DockerHost {
    let stack: DockerStack
    var certctl: Certctl

    /// The lineage of the example.
    static let name = "example.com"

    private var settings: String { "\(stack.directory)/certctl.conf" }
    private var hookLog: String { "\(stack.directory)/hooks.log" }

    private init(_ stack: DockerStack) throws {
        self.stack = stack
        certctl = Certctl(tree: stack.tree, state: "\(stack.directory)/state", caBundle: stack.pebble.caBundle)
        certctl.settings = "\(stack.directory)/certctl.conf"
        // An empty file: the machine's own settings of the hook have no place here.
        let hookSettings = "\(stack.directory)/reload-nginx.conf"
        try "".write(toFile: hookSettings, atomically: true, encoding: .utf8)
        certctl.environment = stack.hookEnvironment.merging(["CERTCTL_RELOAD_NGINX_CONF": hookSettings]) { $1 }
    }

    /// Runs `body` on a host whose nginx speaks no TLS yet and whose tree is empty; `reload-nginx` is a post hook.
    static func with(_ options: Pebble.Options = Pebble.Options(), _ body: (DockerHost) async throws -> Void)
        async throws
    {
        try await Rig.withDockerStack(options) { stack in
            let host = try DockerHost(stack)
            try host.verify(patience: 120)
            try host.installReload(in: "post")
            try await body(host)
        }
    }

    /// Runs `body` on a host whose nginx serves a lineage that certctl has made.
    static func serving(
        _ options: Pebble.Options = Pebble.Options(), _ body: (DockerHost) async throws -> Void
    ) async throws {
        try await with(options) { host in
            try host.verify("none")
            try await host.demand(host.issue("example.com", "www.example.com"))
            try await host.stack.serveHTTPS()
            try host.verify(patience: 120)
            try await host.demand(host.certctl.renew())
            try await body(host)
        }
    }

    /// Settings with which certctl looks at the container's port, for as long as a test can wait.
    func verify(patience seconds: Int) throws {
        try verify("127.0.0.1:\(stack.tlsPort)\nverify_timeout = \(seconds)\nverify_recovery = \(seconds)")
    }

    /// Settings with this `verify`; nil for none, so that certctl looks where it does on its own.
    func verify(_ value: String?) throws {
        try (value.map { "verify = \($0)\n" } ?? "").write(toFile: settings, atomically: true, encoding: .utf8)
    }

    /// Installs the repository's `reload-nginx`, for which this copy is the only one in the tree.
    func installReload(in kind: String) throws {
        let files = FileManager.default
        let hooks = "\(stack.tree)/renewal-hooks"
        for old in ["post", "deploy"] where files.fileExists(atPath: "\(hooks)/\(old)/reload-nginx") {
            try files.removeItem(atPath: "\(hooks)/\(old)/reload-nginx")
        }
        try files.createDirectory(atPath: "\(hooks)/\(kind)", withIntermediateDirectories: true)
        let repository = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        try files.copyItem(atPath: "\(repository)/hooks/reload-nginx", toPath: "\(hooks)/\(kind)/reload-nginx")
    }

    func addHook(_ kind: String, _ name: String, _ body: String = "") throws {
        try EndToEndTests.addHook(kind, name, tree: stack.tree, log: hookLog, body)
    }

    func takeHookLog() throws -> [String] { try EndToEndTests.takeHookLog(hookLog) }

    func issue(_ names: String...) async throws -> Output {
        try await certctl.issue(
            ["--server", stack.pebble.directoryURL, "--webroot", stack.webroot, "--agree-tos"]
                + names.flatMap { ["-d", $0] })
    }

    /// Throws what a command said that should have succeeded.
    func demand(_ output: Output) throws {
        guard output.status == 0 else {
            throw RigError("exit status \(output.status)\n\(output.stdout)\(output.stderr)")
        }
    }

    func entry() async throws -> StatusEntry { try await certctl.lineage(DockerHost.name) }

    /// The serial number of what live/ shows, as `servedSerial` gives it.
    func installedSerial(_ name: String = DockerHost.name) async throws -> String? {
        try await certctl.lineage(name).serial?.uppercased()
    }

    func servedSerial(_ name: String = DockerHost.name) async throws -> String {
        try await stack.servedSerial(name: name)
    }

    /// How often nginx's master process was asked to reload.
    func reloads() async throws -> Int {
        try await stack.logs().split(separator: "\n").count { $0.contains("(SIGHUP) received") }
    }

    /// How many requests the CA has had so far.
    var requests: Int { stack.pebble.requests().count }

    /// The order in flight, as the state file has it.
    var orderURL: String? {
        struct State: Decodable {
            struct Order: Decodable { let url: String }
            struct Ordered: Decodable { let order: Order }
            struct Acquisition: Decodable { let ordered: Ordered? }
            let acquisition: Acquisition
        }
        let text = contents(ofFile: "\(certctl.state)/lineages/\(DockerHost.name).json") ?? ""
        return (try? JSONDecoder().decode(State.self, from: Data(text.utf8)))?.acquisition.ordered?.order.url
    }

    /// The answers to challenges that are in the webroot.
    var challengeFiles: [String] {
        let directory = "\(stack.webroot)/.well-known/acme-challenge"
        return (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }
}
