import FoundationEssentials
import Rig

/// Makes lineages of any kind by openssl, without a CA: the dates, the names, the chain as a test wants them.
struct LineageForge {
    let tree: String
    private let directory: String

    /// A forge with a root of its own; its files are in `directory`.
    init(tree: String, directory: String) async throws {
        (self.tree, self.directory) = (tree, directory)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try """
        [ca]
        default_ca = rig
        [rig]
        database = index.txt
        new_certs_dir = .
        default_md = sha256
        policy = any
        unique_subject = no
        copy_extensions = copy
        rand_serial = yes
        [any]
        commonName = optional

        """.write(toFile: "\(directory)/ca.cnf", atomically: false, encoding: .utf8)
        try "".write(toFile: "\(directory)/index.txt", atomically: false, encoding: .utf8)
        try await sign("root", by: "root", names: nil, from: "20200101000000Z", to: "20400101000000Z")
        try await sign("intermediate", by: "root", names: nil, from: "20200101000000Z", to: "20400101000000Z")
        try await sign("old", by: "root", names: nil, from: "20200101000000Z", to: "20210101000000Z")
    }

    /// A lineage with a conf and the four links.
    func lineage(
        _ name: String, from: String = "20250101000000Z", to: String = "20400101000000Z",
        issuer: String = "intermediate",
        chain: [String] = ["intermediate"], version: Int = 1, names: [String]? = nil
    ) async throws {
        let names = (names ?? [name]).map { "DNS:\($0)" }.joined(separator: ",")
        try await sign(name, by: issuer, names: names, from: from, to: to)
        let (live, archive) = ("\(tree)/live/\(name)", "\(tree)/archive/\(name)")
        for path in [live, archive, "\(tree)/renewal"] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        let (leaf, key) = (string("\(directory)/\(name).pem"), string("\(directory)/\(name).key"))
        let rest = chain.map { string("\(directory)/\($0).pem") }.joined()
        for (kind, text) in [("cert", leaf), ("privkey", key), ("chain", rest), ("fullchain", leaf + rest)] {
            try text.write(toFile: "\(archive)/\(kind)\(version).pem", atomically: false, encoding: .utf8)
            _ = try await check("ln", ["-sfn", "../../archive/\(name)/\(kind)\(version).pem", "\(live)/\(kind).pem"])
        }
        try conf(name, "")
    }

    /// Writes a lineage's conf with some more lines in `[renewalparams]`.
    func conf(_ name: String, _ more: String, server: String = "https://acme-v02.api.letsencrypt.org/directory") throws
    {
        let files = ["cert", "privkey", "chain", "fullchain"].map { "\($0) = \(tree)/live/\(name)/\($0).pem" }
        try """
        version = 2.1.0
        archive_dir = \(tree)/archive/\(name)
        \(files.joined(separator: "\n"))
        [renewalparams]
        authenticator = webroot
        server = \(server)
        key_type = ecdsa
        webroot_path = \(tree)-webroot,
        \(more)

        """.write(toFile: "\(tree)/renewal/\(name).conf", atomically: false, encoding: .utf8)
    }

    private func sign(_ name: String, by issuer: String, names: String?, from: String, to: String) async throws {
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "\(name).key"]
        let extra =
            names.map { ["-addext", "subjectAltName=\($0)"] } ?? ["-addext", "basicConstraints=critical,CA:TRUE"]
        try await openssl(["req"] + key + ["-subj", "/CN=\(name)", "-out", "\(name).csr"] + extra)
        let by =
            issuer == name
            ? ["-selfsign", "-keyfile", "\(name).key"] : ["-cert", "\(issuer).pem", "-keyfile", "\(issuer).key"]
        try await openssl(
            ["ca", "-batch", "-config", "ca.cnf", "-notext", "-in", "\(name).csr", "-out", "\(name).pem"] + by
                + ["-startdate", from, "-enddate", to])
    }

    private func openssl(_ arguments: [String]) async throws {
        _ = try await check("openssl", arguments, directory: directory)
    }
}

/// A CA that says what a test has it say, over TLS: what Pebble cannot do. A program of Python's, as its `Date` is to be wrong, too.
struct ScriptedAuthority {
    let url: String
    let directory: String

    /// Runs `body` with a CA whose answers are in `answers.json` of its directory; `say` changes them.
    static func with<R: Sendable>(
        in directory: String, identity: ServerIdentity, _ body: (ScriptedAuthority) async throws -> R
    ) async throws -> R {
        let port = Ports.free()
        let authority = ScriptedAuthority(url: "https://127.0.0.1:\(port)/dir", directory: directory)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try authority.say()
        try program.write(toFile: "\(directory)/ca.py", atomically: false, encoding: .utf8)
        return try await Daemon.with(
            "python3",
            ["\(directory)/ca.py", String(port), identity.certificate, identity.key, "\(directory)/answers.json"],
            log: "\(directory)/ca.log", ready: .ports([port])
        ) { _ in try await body(authority) }
    }

    /// Sets the answers from now on.
    ///
    /// - Parameters:
    ///   - order: the status and problem with which every newOrder is refused.
    ///   - account: the same for the account.
    ///   - clock: seconds by which its clock is ahead.
    func say(
        order: (Int, String, String)? = nil, account: (Int, String, String)? = nil, clock: Int = 0, caa: String? = nil
    ) throws {
        func text(_ problem: (Int, String, String)?) -> String {
            problem.map { "[\($0.0), {\"type\": \"urn:ietf:params:acme:error:\($0.1)\", \"detail\": \"\($0.2)\"}]" }
                ?? "null"
        }
        let caa = caa.map { "[\"\($0)\"]" } ?? "null"
        try "{\"order\": \(text(order)), \"account\": \(text(account)), \"clock\": \(clock), \"caa\": \(caa)}"
            .write(toFile: "\(directory)/answers.json", atomically: true, encoding: .utf8)
    }

    private static let program = """
        import http.server, json, ssl, sys, time
        port, cert, key, answers = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
        base = "https://127.0.0.1:%d" % port
        class Authority(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def date_time_string(self, timestamp=None):
                return super().date_time_string(time.time() + self.answers()["clock"])
            def answers(self):
                with open(answers) as file: return json.load(file)
            def reply(self, status, value):
                body = json.dumps(value).encode()
                self.send_response(status)
                kind = "application/json" if status < 400 else "application/problem+json"
                for name, text in [("Content-Type", kind), ("Content-Length", str(len(body))), ("Replay-Nonce", "bm9uY2U"),
                        ("Retry-After", "3600") if status == 429 else ("X-Rig", "1")]:
                    self.send_header(name, text)
                self.end_headers()
                if self.command != "HEAD": self.wfile.write(body)
            def do_HEAD(self): self.reply(200, {})
            def do_GET(self):
                caa = self.answers()["caa"]
                self.reply(200, {"newNonce": base + "/nonce", "newAccount": base + "/new", "newOrder": base + "/order",
                    "meta": {"caaIdentities": caa} if caa else {}})
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                problem = self.answers()["order" if self.path == "/order" else "account"]
                if problem: self.reply(problem[0], problem[1])
                else: self.reply(200, {"status": "valid"})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()

        """
}

extension DoctorHost {
    /// Has a scripted CA take the place of the certificate's own in its renewal config.
    func withScriptedAuthority(_ body: (ScriptedAuthority, Certctl) async throws -> Void) async throws {
        let identity = try await ServerIdentity.make(in: stack.directory, prefix: "scripted")
        try await ScriptedAuthority.with(in: "\(stack.directory)/scripted", identity: identity) { ca in
            let conf = "\(stack.tree)/renewal/example.org.conf"
            try string(conf).replacing(stack.pebble.directoryURL, with: ca.url)
                .write(toFile: conf, atomically: false, encoding: .utf8)
            var moved = Certctl(tree: certctl.tree, state: certctl.state, caBundle: identity.root)
            (moved.settings, moved.environment) = (certctl.settings, certctl.environment)
            try await body(ca, moved)
        }
    }
}
