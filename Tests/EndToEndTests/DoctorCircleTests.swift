import FoundationEssentials
import Rig
import Testing

/// Remedies that fail: doctor knows that they were tried, and goes on to what is left.
@Suite(.stack, .parts("python3"))
struct DoctorCircleTests {
    @Test func `an account that the CA does not make`() async throws {
        try await DoctorHost.with { host in
            try await host.withScriptedAuthority { ca, certctl in
                let robot = RobotOperator(certctl: certctl, arguments: ["--resolver", host.stack.pebble.resolver])
                for (type, words) in [
                    ("externalAccountRequired", "ask the CA for a key identifier"),
                    ("unauthorized", "settle with the CA what it said"),
                ] {
                    try ca.say(account: (403, type, "this CA makes no account of that kind"))
                    try await robot.follow("the CA makes no account (\(type))", person: true).expectCause(
                        "account-missing", remedy: "certctl account register --server \(ca.url)")
                    let after = try await certctl.diagnosed(["--resolver", host.stack.pebble.resolver])
                    after.expectCause(
                        "account-missing", remedy: words,
                        evidence: "to make one has failed since: ")
                    #expect(after.document.checks.first { $0.id == "account-missing" }?.command == nil)
                    try FileManager.default.removeItem(atPath: "\(certctl.state)/registrations.json")
                }
            }
        }
    }

    @Test func `a certificate that cannot be issued, for want of a webroot or of a CA`() async throws {
        try await DoctorHost.with { host in
            let (archive, webroot) = ("\(host.stack.tree)/archive/example.org", host.stack.webroot)
            func damage() async throws {
                // No version has a key any more.
                try await check("sh", ["-c", "for f in '\(archive)'/privkey*.pem; do echo lost > \"$f\"; done"])
            }
            try await damage()
            try await check("rm", ["-r", webroot])
            let first = try await host.follow("the keys are lost, and so is the webroot")
            first.expectCause("webroot-missing", remedy: "mkdir -p \(webroot)")
            #expect(first.document.causes.contains("key-malformed"), "\(first.text)")

            try await damage()
            let conf = "\(host.stack.tree)/renewal/example.org.conf"
            let text = string(conf)
            try await check("kill", ["-STOP", "\(host.stack.pebble.server.pid)"])
            try await host.follow("the keys are lost, and the CA does not answer") {
                try await check("kill", ["-CONT", "\(host.stack.pebble.server.pid)"])
                let again = try await host.certctl.issue(
                    "--name", "example.org", "-d", "example.org", "-d", "www.example.org")
                #expect(again.status == 0, "\(again.stderr)")
            }.expectCause("key-malformed", remedy: "certctl issue --name example.org")
            #expect(string(conf) == text)
        }
    }
}
