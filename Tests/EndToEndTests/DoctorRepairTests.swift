import FoundationEssentials
import Glibc
import Rig
import Testing

/// Faults of a certificate's own files and of its hooks, followed to green on a host that can renew and serve.
@Suite(.stack)
struct DoctorRepairTests {
    @Test func `files that are damaged or missing lead to green`() async throws {
        try await DoctorHost.with { host in
            let live = "\(host.stack.tree)/live/example.org"
            func overwrite(_ kind: String, _ text: String) throws {
                // Through the symlink, as a careless copy does it.
                let target = try FileManager.default.destinationOfSymbolicLink(atPath: "\(live)/\(kind).pem")
                let path = "\(live)/\(target)"
                chmod(path, 0o600)
                try text.write(toFile: path, atomically: false, encoding: .utf8)
            }
            try FileManager.default.removeItem(atPath: "\(live)/chain.pem")
            try await host.follow("a symlink of live/ is missing")

            let file = string("\(live)/cert.pem")
            try FileManager.default.removeItem(atPath: "\(live)/cert.pem")
            try file.write(toFile: "\(live)/cert.pem", atomically: false, encoding: .utf8)
            try await host.follow("a file in the place of a symlink")

            try overwrite(
                "privkey",
                try await check("openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]))
            try await host.follow("the key is another certificate's")

            try overwrite("cert", "no certificate\n")
            try await host.follow("the certificate is damaged")

            try overwrite("fullchain", string("\(live)/cert.pem"))
            try await host.follow("the chain lacks its intermediate")
        }
    }

    @Test func `settings and hooks that are wrong lead to green`() async throws {
        try await DoctorHost.with { host in
            let conf = "\(host.stack.tree)/renewal/example.org.conf"
            let text = string(conf)
            func restored() throws { try text.write(toFile: conf, atomically: false, encoding: .utf8) }
            for (fault, broken) in [
                (
                    "a setting has an impossible value",
                    text.replacing("[renewalparams]\n", with: "[renewalparams]\nautorenew = maybe\n")
                ),
                ("the renewal config cannot be parsed", "no key and no section\n"),
                ("the renewal config is empty", ""),
                (
                    "no webroot is known",
                    text.replacing("webroot", with: "webrootless").replacing(
                        "authenticator = webrootless", with: "authenticator = webroot")
                ),
            ] {
                try broken.write(toFile: conf, atomically: false, encoding: .utf8)
                try await host.follow(fault) { try restored() }
                try restored()
            }

            let hooks = "\(host.stack.tree)/renewal-hooks/deploy"
            try "#!/bin/sh\r\nexit 0\r\n".write(toFile: "\(hooks)/windows", atomically: false, encoding: .utf8)
            chmod("\(hooks)/windows", 0o755)
            try await host.follow("a hook's lines end in CR LF")
            try "#!/nosuch/interpreter\n".write(toFile: "\(hooks)/windows", atomically: false, encoding: .utf8)
            try await host.follow("a hook's interpreter is missing") {
                try FileManager.default.removeItem(atPath: "\(hooks)/windows")
            }
            guard symlink("/nosuch/hook", "\(hooks)/dangling") == 0 else { throw RigError("symlink") }
            try await host.follow("a hook is a dangling symlink") {
                try FileManager.default.removeItem(atPath: "\(hooks)/dangling")
            }
            try "renew_hook = /nosuch/own-hook --now\n\(text)".replacing(
                "[renewalparams]\n", with: "[renewalparams]\nrenew_hook = /nosuch/own-hook --now\n"
            )
            .write(toFile: conf, atomically: false, encoding: .utf8)
            try await host.follow("the renewal config's hook is gone") { try restored() }

            // One that fails when it runs: deployed again first, then a person's task with the command that ends it.
            try addHook("deploy", "fails", host.stack, "echo no such container >&2; exit 3")
            #expect(try await host.certctl.renew("--force").status == 1)
            try await host.follow("a deploy hook fails") {
                try FileManager.default.removeItem(atPath: "\(hooks)/fails")
                #expect(try await host.certctl.deploy("example.org").status == 0)
            }
        }
    }
}
