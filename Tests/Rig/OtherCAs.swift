import FoundationEssentials
import Glibc
package import Testing

/// ACME CAs besides Pebble, which do what it does not: acme2certifier and Caddy, from PyPI.
package enum OtherCAs {
    /// Where Tests/install puts them.
    static var directory: String {
        let home = environmentVariable("HOME") ?? "/root"
        return (environmentVariable("XDG_CACHE_HOME") ?? "\(home)/.cache") + "/certctl-tests/cas/bin"
    }

    static var missing: String? {
        if let sentence = Parts.missing(["openssl", "setpriv", "python3"]) { return sentence }
        let absent = ["python", "caddy"].filter { access("\(directory)/\($0)", X_OK) != 0 }
        return absent.isEmpty ? nil : "acme2certifier and Caddy not found: run Tests/install docker"
    }
}

extension Trait where Self == ConditionTrait {
    /// `parts` for the CAs besides Pebble.
    package static var otherCAs: Self {
        let missing = OtherCAs.missing
        return .enabled(if: missing == nil || Parts.mustBeThere, missing.map { Comment(rawValue: $0) })
    }
}

/// acme2certifier: a CA with renewal information (RFC 9773), profiles and external account binding.
package struct Acme2Certifier: Sendable {
    package let directoryURL: String
    /// A PEM file with the root that verifies its TLS.
    package let caBundle: String
    package let daemon: Daemon

    /// Runs it with all its files in `directory`, which has to exist.
    ///
    /// - Parameters:
    ///   - settings: each `SECTION.OPTION=VALUE` of acme_srv.cfg.
    ///   - validates: whether it looks at challenges; it asks port 80 of whatever the name resolves to.
    package static func with<R: Sendable>(
        _ directory: String, settings: [String] = [], validates: Bool = false,
        _ body: (Acme2Certifier) async throws -> R
    ) async throws -> R {
        if let missing = OtherCAs.missing { throw RigError(missing) }
        let identity = try await ServerIdentity.make(in: directory)
        let port = Ports.free()
        let state = "\(directory)/a2c"
        try await check("mkdir", [state])
        let all = (validates ? [] : ["Challenge.challenge_validation_disable=True"]) + settings
        return try await Daemon.with(
            "\(OtherCAs.directory)/python",
            ["\(BuiltProgram.repository)/Tests/a2c-server", "\(port)", state, identity.certificate, identity.key] + all,
            environment: validates ? [:] : ["ACME2CERTIFIER_I_KNOW_THE_RISK": "1"], log: "\(directory)/a2c.log",
            ready: .ports([port])
        ) { daemon in
            try await body(
                Acme2Certifier(
                    directoryURL: "https://127.0.0.1:\(port)/directory", caBundle: identity.root, daemon: daemon))
        }
    }

    /// What it was asked, in order, each as `METHOD /path STATUS`.
    package func requests() -> [String] {
        daemon.output().split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("POST /") || $0.hasPrefix("GET /") || $0.hasPrefix("HEAD /")
        }
    }
}

/// Caddy's acme_server, which is smallstep's CA: it validates while it answers, and leaves a failed challenge pending.
package struct Caddy: Sendable {
    package let directoryURL: String
    package let caBundle: String
    package let daemon: Daemon

    package static func with<R: Sendable>(
        _ directory: String, _ body: (Caddy) async throws -> R
    ) async throws -> R {
        if let missing = OtherCAs.missing { throw RigError(missing) }
        let identity = try await ServerIdentity.make(in: directory)
        let port = Ports.free()
        let file = "\(directory)/Caddyfile"
        try """
        {
            admin off
            auto_https off
            skip_install_trust
            storage file_system \(directory)/caddy
        }
        https://127.0.0.1:\(port) {
            bind 127.0.0.1
            tls \(identity.certificate) \(identity.key)
            acme_server
        }
        """.write(toFile: file, atomically: false, encoding: .utf8)
        return try await Daemon.with(
            // Without a PATH it finds nothing that would take its root into this host's trust store.
            "env",
            ["PATH=/nonexistent", "\(OtherCAs.directory)/caddy", "run", "--config", file, "--adapter", "caddyfile"],
            environment: ["HOME": directory, "XDG_DATA_HOME": directory, "XDG_CONFIG_HOME": directory],
            log: "\(directory)/caddy.log", ready: .ports([port])
        ) { daemon in
            try await body(
                Caddy(
                    directoryURL: "https://127.0.0.1:\(port)/acme/local/directory", caBundle: identity.root,
                    daemon: daemon))
        }
    }
}
