import FoundationEssentials
import Lineages
import Rig
import Setup
import Testing

/// What `setup --diff` shows is what setup changes: patch(1) says so.
@Suite(.parts("openssl", "patch"))
struct SetupDiffTests {
    @Test func `the diff of a plan makes of the host's files what setup makes of them`() async throws {
        try await TestHost.with { host in
            host.programs.add(unit: "certbot.timer")
            try host.write("etc/cron.d/certbot", "SHELL=/bin/sh\n0 3 * * * root certbot renew\n", mode: 0o640)
            try host.write("etc/cron.d/jobs", "0 1 * * * root backup\n0 2 * * * root certbot renew # weekly\n")
            try await host.lineage(
                "n.example", "authenticator = nginx\ninstaller = nginx\nserver = https://ca.example/dir")
            let before = "\(host.root).before"
            try await check("cp", ["-a", host.root, before])
            let www = "\(host.root)/www"
            let plan = try await host.plan { $0.webroots = ["n.example": www] }
            let diff = try SetupDiff.lines(of: plan)
            #expect(diff.contains("+++ /dev/null") && diff.contains("--- /dev/null"), "\(diff)")
            #expect(diff.contains("-authenticator = nginx") && diff.contains("+authenticator = webroot"), "\(diff)")
            #expect(try await host.setUp { $0.webroots = ["n.example": www] }.steps == plan.steps)

            let text = diff.map { line in
                let isHeader = line.hasPrefix("--- ") || line.hasPrefix("+++ ")
                return (isHeader ? line.replacing(host.root, with: before) : line) + "\n"
            }.joined()
            let patched = try await sh("patch", ["-p1", "-d", "/", "--no-backup-if-mismatch"], input: text)
            #expect(patched.status == 0, "\(patched.stdout)\(patched.stderr)\(text)")
            let same = try await sh("diff", ["-r", "--exclude=setup*", "--exclude=www", before, host.root])
            // What setup writes down of itself is in its state directory.
            let lines = same.stdout.split(separator: "\n").filter { !$0.contains(host.state) && !$0.contains("var") }
            #expect(lines.isEmpty, "\(same.stdout)")
            try await check("rm", ["-rf", before])
        }
    }

    @Test func `a diff of any two texts is one that patch can apply, either way`() async throws {
        try await TemporaryDirectory.with { directory in
            var random = SystemRandomNumberGenerator()
            func text() -> [String] {
                (0..<Int.random(in: 0...30, using: &random)).map { _ in "\(UInt8.random(in: 0...5))" }
            }
            for _ in 1...25 {
                let old = text()
                var new = old
                for _ in 0..<Int.random(in: 0...4, using: &random) {
                    let place = Int.random(in: 0...new.count, using: &random)
                    if place < new.count, Bool.random() { new.remove(at: place) } else { new.insert("new", at: place) }
                }
                func bytes(_ lines: [String]) -> [UInt8] { Array(lines.map { $0 + "\n" }.joined().utf8) }
                let diff = UnifiedDiff.lines("file", from: bytes(old), to: bytes(new)).map { $0 + "\n" }.joined()
                #expect(diff.isEmpty == (old == new))
                for (from, to, options) in [(old, new, []), (new, old, ["-R"])] where !diff.isEmpty {
                    try String(decoding: bytes(from), as: UTF8.self)
                        .write(toFile: "\(directory)/file", atomically: true, encoding: .utf8)
                    let patched = try await sh(
                        "patch", options + ["--fuzz=0", "--no-backup-if-mismatch", "\(directory)/file"], input: diff)
                    #expect(patched.status == 0, "\(patched.stdout)\n\(diff)")
                    #expect(contents(ofFile: "\(directory)/file") ?? "" == String(decoding: bytes(to), as: UTF8.self))
                }
            }
        }
    }
}
