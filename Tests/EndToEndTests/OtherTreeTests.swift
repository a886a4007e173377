import FoundationEssentials
import Glibc
import Rig
import Testing

/// Two trees on one host: a run on one of them changes nothing of the other.
@Suite(.stack, .parts("openssl"))
struct OtherTreeTests {
    @Test func `a run on a copy of a tree leaves the original alone, and says what to do`() async throws {
        try await Rig.withStack { stack in
            let original = Certctl(stack)
            let place = ["--server", stack.pebble.directoryURL, "--webroot", stack.webroot]
            #expect(try await original.issue(place + ["-d", "a.example", "--agree-tos"]).status == 0)
            #expect(try await original.renew("--force").status == 0)
            try addHook("post", "10-post", stack)
            let tree = "\(stack.directory)/copy"
            try await check("cp", ["-a", stack.tree, tree])
            let copy = Certctl(tree: tree, state: "\(tree)-state", caBundle: stack.pebble.caBundle)
            let (before, orders) = (try await snapshot(of: stack.tree), stack.pebble.requestCount("/order-plz"))
            let runs = [
                try await copy.renew("--force"), try await copy.renew("a.example"), try await copy.deploy(),
                try await copy.rollback("a.example"), try await copy.rollback("--force", "a.example"),
                try await copy.issue(place + ["-d", "a.example"]),
                try await copy.issue(place + ["--name", "a.example", "-d", "b.example"]),
            ]
            let cause =
                "its renewal config leads to \(stack.tree)/live/a.example, which is in the config directory \(stack.tree)"
            for run in runs {
                #expect(run.status == 1, "\(run.stdout)\(run.stderr)")
                #expect(run.stderr.contains("a.example: \(cause)\n"), "\(run.stderr)")
                #expect(run.stderr.contains("next: name that config directory with --config-dir"), "\(run.stderr)")
            }
            #expect(try takeHookLog(stack).isEmpty)
            #expect(stack.pebble.requestCount("/order-plz") == orders)
            #expect(try await snapshot(of: stack.tree) == before)

            let entry = try await copy.lineage("a.example")
            #expect((entry.state, entry.problems.first?.code, entry.version) == ("broken", "another-tree", 2))
            #expect(try await copy.diagnosed().checks("another-tree").first?.verdict == "failure")
            #expect(try await original.lineage("a.example").state == "ok")
            #expect(try await original.renew("--force").status == 0)
        }
    }

    @Test func `one state directory is one tree's`() async throws {
        try await TemporaryDirectory.with { directory in
            let (tree, other, state) = ("\(directory)/tree", "\(directory)/other", "\(directory)/state")
            try await check("sh", ["-c", "mkdir tree other; ln -s tree link"], directory: directory)
            #expect(try await Certctl(tree: other, state: state).status().status == 0)
            #expect(!FileManager.default.fileExists(atPath: state), "who only looks has nothing")
            #expect(try await Certctl(tree: tree, state: state).renew().status == 0)
            #expect(try await Certctl(tree: "\(directory)/link", state: state).renew().status == 0)
            let refused = try await Certctl(tree: other, state: state).renew()
            #expect(refused.status == 78, "\(refused.stdout)")
            #expect(
                refused.stderr == """
                    certctl: \(state) keeps the state of \(tree), and not of \(other)
                      next: name another directory with --state-dir; if the config directory was moved, remove \(state)/tree

                    """, "\(refused.stderr)")
            #expect(try await Certctl(tree: other, state: "\(state)-of-other").renew().status == 0)
            try FileManager.default.removeItem(atPath: "\(state)/tree")
            #expect(try await Certctl(tree: other, state: state).renew().status == 0)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, as setup does"))
    func `setup does not have the service work on one tree with the state of another`() async throws {
        try await TemporaryDirectory.with { directory in
            try await check("mkdir", ["\(directory)/tree", "\(directory)/other"])
            let state = "\(directory)/state"
            #expect(try await Certctl(tree: "\(directory)/tree", state: state).renew().status == 0)
            let refused = try await sh(
                Certctl.path, ["setup", "--config-dir", "\(directory)/other", "--state-dir", state])
            #expect(refused.status == 78 && refused.stderr.contains("--state-dir"), "\(refused.stderr)")
        }
    }
}
