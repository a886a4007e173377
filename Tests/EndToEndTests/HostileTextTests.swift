import FoundationEssentials
import Glibc
import Rig
import Testing

/// Text that others chose (names in certificates, issuers, hooks, confs, history) never steers the terminal or the monitoring of
/// whoever looks at it.
@Suite(.parts("openssl", "promtool"))
struct HostileTextTests {
    /// Sets a window's title, clears the screen, forges lines, reverses what follows.
    private static let attack = "\u{1B}]0;owned\u{07}\u{1B}[2J\r\nforged: ok\u{9B}31m\u{202E}\""

    @Test func `whatever shows a hostile certificate, a terminal takes it literally`() async throws {
        try await HostileTextTests.withTree { certctl, name in
            let outputs = [
                try await certctl.status(), try await certctl.status("--explain", name),
                try await certctl.status("--probe", name), try await certctl.status("--check"),
                try await certctl.history(),
                try await certctl.hooksList(), try await certctl.hooksList(name), try await certctl.doctor(),
                try await certctl.renew(), try await certctl.renew("--verbose"), try await certctl.deploy(),
                try await certctl.rollback(name), try await certctl.status("--format", "prometheus"),
                try await certctl.status("no\(HostileTextTests.attack)"),
                try await certctl.renew("no\(HostileTextTests.attack)"),
                try await certctl.status("--format", "no\(HostileTextTests.attack)"),
                try await certctl.status("--no\(HostileTextTests.attack)"),
            ]
            for (number, output) in outputs.enumerated() {
                for text in [output.stdout, output.stderr] {
                    #expect(HostileTextTests.controls(in: text).isEmpty, "\(number): \(text.debugDescription)")
                    #expect(!text.contains("\nforged: ok"), "\(number): \(text)")
                }
                #expect(!(output.stdout + output.stderr).isEmpty, "\(number)")
            }
        }
    }

    @Test func `the exposition parses, whatever the issuer and the lineages are called`() async throws {
        for issuer in [
            HostileTextTests.attack, "CR\r\nLF", "a quote \"\u{301} with an accent", "back\\slash\\", "\\\"", "tab\t",
            "\u{85}\u{2028}\u{2029}", "brace} 1\n# HELP x", "𝕏 ✓", "nul",
        ] {
            try await HostileTextTests.withTree(issuer: issuer) { certctl, _ in
                let output = try await certctl.status("--format", "prometheus")
                #expect(output.status == 0, "\(output.stderr)")
                let verdict = try await sh("promtool", ["check", "metrics"], input: output.stdout)
                #expect(verdict.status == 0, "\(issuer.debugDescription): \(verdict.stderr)\(output.stdout)")
                #expect(output.stdout.contains("certctl_certificate_info{"))
            }
        }
    }

    /// What is in a text besides printable characters and line feeds.
    private static func controls(in text: String) -> [Unicode.Scalar] {
        text.unicodeScalars.filter { scalar in
            guard scalar != "\n" else { return false }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: return true
            default: return false
            }
        }
    }

    /// A tree with a certificate of a hostile CA, and with hostile files beside it.
    private static func withTree(
        issuer: String = attack, _ body: (Certctl, String) async throws -> Void
    ) async throws {
        try await TemporaryDirectory.with { directory in
            let name = "a.example"
            // The name among the SANs is an IA5String: ASCII, with whatever controls.
            let strange = "x\u{1B}[2J\r\nforged: ok.example"
            let (key, lineage) = ("\(directory)/key.pem", "\(directory)/tree/archive/\(name)")
            let san: [UInt8] = ["a.example", strange].flatMap { [0x82, UInt8($0.utf8.count)] + Array($0.utf8) }
            let value = ([0x30, UInt8(san.count)] + san).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            let subject = issuer.replacing("\\", with: "\\\\").replacing("/", with: "\\/").replacing("+", with: "\\+")
            try await check(
                "openssl",
                [
                    "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "80",
                    "-utf8",
                    "-subj", "/CN=\(subject)", "-addext", "subjectAltName=DER:\(value.joined(separator: ":"))",
                    "-keyout", key, "-out", "\(directory)/cert.pem",
                ])
            try await check(
                "sh",
                [
                    "-ec",
                    """
                    mkdir -p tree/renewal "$1" tree/live/a.example tree/renewal-hooks/post tree/renewal-hooks/deploy state
                    cp key.pem "$1/privkey1.pem"; cp cert.pem "$1/cert1.pem"; cp cert.pem "$1/fullchain1.pem"; cp cert.pem "$1/chain1.pem"
                    for kind in cert privkey chain fullchain; do
                        ln -s "../../archive/a.example/${kind}1.pem" "tree/live/a.example/$kind.pem"
                    done
                    bad=$(printf 'bad\\033[2J\\rname')
                    printf '#!/bin/sh\\nprintf "\\\\033[2Jx\\\\r\\\\n"\\nexit 1\\n' >"tree/renewal-hooks/post/$bad"; chmod 755 tree/renewal-hooks/post/*
                    echo >"tree/renewal-hooks/deploy/$bad"
                    printf 'version = 2.1.0\\n' >"tree/renewal/$bad.conf"
                    """, "sh", lineage,
                ], directory: directory)
            try """
            version = 2.1.0
            archive_dir = \(lineage)
            cert = \(directory)/tree/live/\(name)/cert.pem
            privkey = \(directory)/tree/live/\(name)/privkey.pem
            chain = \(directory)/tree/live/\(name)/chain.pem
            fullchain = \(directory)/tree/live/\(name)/fullchain.pem
            [renewalparams]
            authenticator = webroot
            webroot_path = /nowhere\u{1B}[2J,
            server = https://127.0.0.1:1/dir
            renew_hook = false \u{1B}[2J
            [certctl]
            verify = 127.0.0.1:1
            """.write(toFile: "\(directory)/tree/renewal/\(name).conf", atomically: false, encoding: .utf8)
            // As a run writes it: JSON escapes what it has to.
            let event =
                #"{"at":"2026-11-01T00:00:00Z","by":"terminal","error":"no\u001b[2J\r\nforged: ok\u009b","event":"failed","lineage":"a\u001b[2J"}"#
            try (event + "\n").write(toFile: "\(directory)/state/history.jsonl", atomically: false, encoding: .utf8)
            var certctl = Certctl(tree: "\(directory)/tree", state: "\(directory)/state")
            certctl.isWithoutNetwork = true
            try await body(certctl, name)
        }
    }
}
