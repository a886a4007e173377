import Rig
import Testing

struct ShellTests {
    @Test func `status and both streams come back`() async throws {
        let output = try await sh("sh", ["-c", "cat; echo err >&2; exit 3"], input: "in")
        #expect(output.status == 3)
        #expect(output.stdout == "in")
        #expect(output.stderr == "err\n")
    }

    @Test func `a signal is a status as a shell says it`() async throws {
        #expect(try await sh("sh", ["-c", "kill -9 $$"]).status == 137)
    }

    @Test func `a program that does not exist is a status`() async throws {
        // 126 where PATH has a directory that this user may not search.
        #expect([126, 127].contains(try await sh("no-such-program", []).status))
    }

    @Test func `environment and directory are the program's`() async throws {
        try await TemporaryDirectory.with { directory in
            let output = try await sh(
                "sh", ["-c", "echo \"$RIG_WORD $PWD\""], environment: ["RIG_WORD": "x y"], directory: directory)
            #expect(output.stdout == "x y \(directory)\n")
        }
    }

    @Test func `a program that is not done in time is an error`() async throws {
        await #expect(throws: RigError.self) { try await sh("sleep", ["600"], timeout: .milliseconds(50)) }
    }

    @Test(arguments: ["plain", "a b", "it's", "$HOME \"`x`\" \\", ""])
    func `a quoted word is read back unchanged`(word: String) async throws {
        #expect(try await sh("sh", ["-c", "printf %s \(shellQuoted(word))"]).stdout == word)
    }

    @Test func `missing programs are named with the way to get them`() throws {
        #expect(Parts.missing(["sh"]) == nil)
        let sentence = try #require(Parts.missing(["sh", "no-such-program"]))
        #expect(sentence == "no-such-program not found: run Tests/install test")
    }

    @Test func `ports are all different and nobody listens on them`() {
        let ports = (0..<50).map { _ in Ports.free() }
        #expect(Set(ports).count == 50)
        #expect(!ports.contains(where: Ports.accepts))
    }

    @Test func `a gate lets in as many as it has places`() async {
        let gate = Gate(places: 2)
        await gate.enter()
        await gate.enter()
        await withTaskGroup(of: String.self) { group in
            group.addTask {
                await gate.enter()
                return "entered"
            }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(50))
                return "waited"
            }
            #expect(await group.next() == "waited")
            gate.leave()
            #expect(await group.next() == "entered")
        }
        gate.leave()
        gate.leave()
    }
}
