/// A real certbot with a tree of its own that gets its certificates from a Pebble.
///
/// It makes the authentic trees that certctl has to read, and takes over again from certctl.
package struct Certbot: Sendable {
    /// What takes the place of `/etc/letsencrypt`.
    package let configDir: String
    package let workDir: String
    package let logsDir: String
    /// The command: the host's own, or that of a virtual environment.
    package var program = "certbot"
    private let pebble: Pebble

    /// A certbot whose `--config-dir` is `tree`; its work and logs directories are beside it, `TREE-work` and
    /// `TREE-logs`.
    package init(tree: String, pebble: Pebble) {
        configDir = tree
        workDir = "\(tree)-work"
        logsDir = "\(tree)-logs"
        self.pebble = pebble
    }

    /// Gets a certificate for `names`, the first of which names the lineage, by http-01 from the webroot.
    /// Throws what certbot printed when it fails.
    package func certonly(names: [String], webroot: String, extra: [String] = []) async throws {
        let domains = names.flatMap { ["-d", $0] }
        let output = try await run(
            ["certonly", "--webroot", "--webroot-path", webroot, "--server", pebble.directoryURL, "--agree-tos"]
                + ["--register-unsafely-without-email"] + domains + extra)
        guard output.status == 0 else {
            throw RigError("certbot certonly: exit status \(output.status)\n\(output.stdout)\(output.stderr)")
        }
    }

    /// `certbot certificates`: every lineage that certbot sees, and what is wrong with the others.
    package func certificates() async throws -> Output {
        try await run(["certificates"])
    }

    /// `certbot renew` over the whole tree; `force` renews what is not due.
    package func renew(force: Bool = false, extra: [String] = []) async throws -> Output {
        try await run(["renew", "--no-random-sleep-on-renew"] + (force ? ["--force-renewal"] : []) + extra)
    }

    /// Any certbot command on this tree, not interactive.
    package func run(_ arguments: [String]) async throws -> Output {
        if program == "certbot" { try Parts.require([program]) }
        let place = ["--config-dir", configDir, "--work-dir", workDir, "--logs-dir", logsDir]
        // HOME, so that the user's own cli.ini has no say.
        return try await sh(
            program, arguments + place + ["--non-interactive"],
            environment: [
                "REQUESTS_CA_BUNDLE": pebble.caBundle, "HOME": workDir, "XDG_CONFIG_HOME": "\(workDir)/.config",
            ])
    }
}
