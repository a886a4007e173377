import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Testing

@Suite(.parts("python3", "openssl"))
struct LockTests {
    /// A process of Python's that takes the lock in certbot's way and holds it while the closure runs.
    private func withHolder(_ directory: String, _ body: (Int32) throws -> Void) async throws {
        let script = """
            import fcntl, sys, time
            file = open(sys.argv[1] + "/.certbot.lock", "w")
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            open(sys.argv[1] + "/locked", "w").close()
            time.sleep(600)
            """
        try await Daemon.with(
            "python3", ["-c", script, directory], log: "\(directory)/holder.log",
            ready: .predicate { FileManager.default.fileExists(atPath: "\(directory)/locked") }
        ) { daemon in try body(daemon.pid) }
    }

    @Test func `a lock that another process holds is refused, and the holder is named`() async throws {
        try await TemporaryDirectory.with { directory in
            try await withHolder(directory) { pid in
                #expect {
                    _ = try TreeLock(configDirectory: directory)
                } throws: { error in
                    guard case TreeLock.Failure.held(let path, let holder) = error else { return false }
                    let comm = (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)) ?? ""
                    return path == "\(directory)/.certbot.lock" && holder == pid
                        && "\(error)" == "\(path) is locked by process \(pid) (\(comm.dropLast()))"
                }
            }
            // The holder was killed: its file is still there, and harmless.
            #expect(FileManager.default.fileExists(atPath: "\(directory)/.certbot.lock"))
            do { _ = try TreeLock(configDirectory: directory) }
            #expect(!FileManager.default.fileExists(atPath: "\(directory)/.certbot.lock"))
        }
    }

    private func isHeld(_ directory: String) async throws -> Bool {
        let script = """
            import fcntl, sys
            file = open(sys.argv[1] + "/.certbot.lock", "r+")
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            """
        let output = try await sh("python3", ["-c", script, directory])
        #expect(output.status == 0 || output.stderr.contains("BlockingIOError"), "\(output.stderr)")
        return output.status != 0
    }

    @Test func `the lock is held through whatever else is done with the tree, and gone afterwards`() async throws {
        try await TestTree.with { tree in
            try await tree.add("one")
            do {
                let lock = try TreeLock(configDirectory: tree.path)
                #expect(try FileSystem.status("\(tree.path)/.certbot.lock")?.mode == 0o600)
                #expect(try tree.tree().lineages().count == 1)
                _ = try AccountStore(configDirectory: tree.path).save(
                    key: PrivateKey(generating: .ec(.p256)), url: "https://ca.example/acct/1",
                    server: "https://ca.example/dir", creationDate: "2026-11-23T00:00:00Z", host: "here")
                _ = try tree.installation("one").install(try await tree.issue(["one"]))
                _ = try SwitchJournal.completeAll(in: tree.state)
                #expect(try await isHeld(tree.path))
                _ = consume lock
            }
            #expect(try FileSystem.status("\(tree.path)/.certbot.lock") == nil)
        }
    }

    @Test func `a directory that cannot have a lock is an error of its own`() async throws {
        #expect {
            _ = try TreeLock(configDirectory: "/proc/nowhere")
        } throws: { error in
            guard case TreeLock.Failure.file(let error) = error else { return false }
            return error.isNotFound && "\(error)".hasPrefix("cannot lock /proc/nowhere/.certbot.lock: ")
        }
    }

    @Test(.parts("certbot"))
    func `certbot waits for nobody and fails while the tree is locked`() async throws {
        try await TemporaryDirectory.with { directory in
            let place = ["--config-dir", directory, "--work-dir", "\(directory)-w", "--logs-dir", "\(directory)-l"]
            let environment = ["HOME": directory]
            do {
                let lock = try TreeLock(configDirectory: directory)
                let output = try await sh("certbot", ["certificates"] + place, environment: environment)
                #expect(output.status == 1)
                #expect(output.stderr.contains("Another instance of Certbot is already running"), "\(output)")
                _ = consume lock
            }
            #expect(try await sh("certbot", ["certificates"] + place, environment: environment).status == 0)
            _ = try await check("rm", ["-r", "\(directory)-w", "\(directory)-l"])
        }
    }
}
