import FoundationEssentials
import Rig

/// A web service that takes notes of what is posted to it.
struct WebService {
    /// A request as it came.
    struct Request: Decodable {
        let method: String
        let path: String
        /// By names in lower case.
        let headers: [String: String]
        let body: String

        /// The body, decoded.
        func note() throws -> Note { try JSONDecoder().decode(Note.self, from: Data(body.utf8)) }
    }

    /// What notify-webhook sends.
    struct Note: Decodable {
        let event: String
        let host: String
        let lineage: String?
        let stage: String?
        let error: String?
        let consecutiveFailures: Int?
        let time: String
        let text: String
    }

    let directory: String
    /// Names the settings that name this service.
    let environment: [String: String]

    /// The hook in the place from which it takes its event.
    func hook(_ event: String) throws -> ShippedHook {
        try ShippedHook("notify-webhook", installedIn: "\(directory)/renewal-hooks/\(event)")
    }

    /// Runs the hook in the place of an event.
    func notify(from event: String, _ facts: [String: String]) async throws -> Output {
        try await hook(event).run(environment.merging(facts) { $1 })
    }

    /// What was posted so far.
    func requests() -> [Request] {
        let lines = (contents(ofFile: "\(directory)/requests") ?? "").split(separator: "\n")
        return lines.compactMap { try? JSONDecoder().decode(Request.self, from: Data($0.utf8)) }
    }

    fileprivate static let program = """
        import http.server, json, os, sys, time
        port, directory, holds, *answers = sys.argv[1:]
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
                headers = {name.lower(): value for name, value in self.headers.items()}
                with open(directory + "/requests", "a") as file:
                    request = {"method": self.command, "path": self.path, "headers": headers, "body": body}
                    file.write(json.dumps(request) + "\\n")
                while holds == "true" and not os.path.exists(directory + "/go"):
                    time.sleep(0.01)
                self.send_response(int(answers.pop(0) if len(answers) > 1 else answers[0]))
                self.send_header("Content-Length", "0")
                self.end_headers()
            def log_message(self, *arguments):
                pass
        http.server.HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
        """
}

/// Runs `body` with a service that gives these answers in turn, the last one ever after.
///
/// With `holds` it answers only when there is a file `go` in its directory. Its URL has a secret, with characters that
/// have to be quoted.
func withService(
    answers: [Int] = [200], headers: String? = nil, holds: Bool = false, _ body: (WebService) async throws -> Void
) async throws {
    try await TemporaryDirectory.with { directory in
        let port = Ports.free()
        var settings = "# where to post\nurl = http://127.0.0.1:\(port)/hook?secret=s3cr\"e\\t\n"
        if let headers {
            try write(headers, to: "\(directory)/headers", mode: 0o600)
            settings += "headers_file = \(directory)/headers\n"
        }
        try write(settings, to: "\(directory)/settings.conf", mode: 0o600)
        try await Daemon.with(
            "python3", ["-c", WebService.program, String(port), directory, String(holds)] + answers.map(String.init),
            log: "\(directory)/log", ready: .ports([port])
        ) { _ in
            try await body(
                WebService(
                    directory: directory,
                    environment: ["CERTCTL_NOTIFY_WEBHOOK_CONF": "\(directory)/settings.conf"]))
        }
    }
}
