import Rig
import Testing

struct DaemonTests {
    @Test func `a daemon that ends at once is reported with its log`() async throws {
        try await TemporaryDirectory.with { directory in
            let error = await #expect(throws: RigError.self) {
                try await Daemon.with(
                    "sh", ["-c", "echo no such port; exit 3"], log: "\(directory)/log", ready: .ports([Ports.free()])
                ) { _ in }
            }
            #expect(error?.description.contains("no such port") == true)
        }
    }

    @Test func `a daemon that does not exist is reported by name`() async throws {
        try await TemporaryDirectory.with { directory in
            let error = await #expect(throws: RigError.self) {
                try await Daemon.with("no-such-daemon", [], log: "\(directory)/log", ready: .predicate { false }) { _ in
                }
            }
            #expect(error?.description.contains("no-such-daemon") == true)
        }
    }

    @Test func `a daemon that ignores SIGTERM is gone when its scope is`() async throws {
        try await TemporaryDirectory.with { directory in
            let log = "\(directory)/log"
            let script = "trap '' TERM; echo up; while :; do sleep 1; done"
            let pid = try await Daemon.with(
                "sh", ["-c", script], log: log, ready: .predicate { contents(ofFile: log) == "up\n" }
            ) { daemon in
                #expect(daemon.isRunning)
                return daemon.pid
            }
            #expect(!Daemon.isRunning(pid))
        }
    }

    @Test func `a daemon is ended when its body throws, and the error is the body's`() async throws {
        struct Failure: Error, Equatable { let pid: Int32 }
        try await TemporaryDirectory.with { directory in
            let failure = await #expect(throws: Failure.self) {
                try await Daemon.with("sleep", ["600"], log: "\(directory)/log", ready: .predicate { true }) { daemon in
                    throw Failure(pid: daemon.pid)
                }
            }
            let pid = try #require(failure).pid
            #expect(!Daemon.isRunning(pid))
        }
    }
}
