import FoundationEssentials
import Rig
import Testing

/// A dry run says what would happen, and leaves everything as it was.
@Suite(.stack)
struct DryRunTests {
    @Test func `a dry run of issue goes through the whole exchange and installs nothing`() async throws {
        try await Rig.withStack { stack in
            let certctl = Certctl(stack)
            let arguments = [
                "dry.example", "www.dry.example", "--server", stack.pebble.directoryURL, "--webroot", stack.webroot,
                "--dry-run",
            ]
            let refused = try await certctl.issue(arguments)
            #expect(refused.status == 1, "nobody has agreed to the terms: \(refused)")
            let output = try await certctl.issue(arguments + ["--agree-tos"])
            #expect(output.status == 0, "\(output)")
            #expect(
                output.stdout.contains("dry.example: the dry run at \(stack.pebble.directoryURL) "), "\(output.stdout)")
            #expect(stack.pebble.requests().contains { $0.contains("finalize") }, "the CA has issued it")
            let traces = try await check("find", [stack.tree, "-name", "*dry.example*"])
            #expect(traces.isEmpty)
            #expect(try await certctl.status().stdout.hasPrefix("no certificates in "))
            // What was tried works.
            #expect(try await certctl.issue(arguments.dropLast() + []).status == 0)
            #expect(try await certctl.lineage("dry.example").domains == ["dry.example", "www.dry.example"])
        }
    }

    @Test func `a dry run of deploy and of rollback names the version, the hooks and the endpoints`() async throws {
        try await DeploymentStageTests.withServedLineage { stack, certctl in
            try addHook("deploy", "10-copy", stack)
            try addHook("post", "10-reload", stack, stack.nginx.reloadCommand)
            #expect(try await certctl.renew("--force").status == 0)
            _ = try takeHookLog(stack)
            let before = try await snapshot(of: stack.tree) + snapshot(of: certctl.state)
            let serial = try #require(try await certctl.lineage("one.example").serial)
            let work = [
                "  would run the deploy hook \(stack.tree)/renewal-hooks/deploy/10-copy",
                "  would run the post hook \(stack.tree)/renewal-hooks/post/10-reload",
                "  would probe 127.0.0.1:\(stack.nginx.tlsPort) for one.example",
            ]
            func lines(_ output: Output) -> [String] { output.stdout.split(separator: "\n").map(String.init) }

            let deployment = try await certctl.deploy("--dry-run")
            #expect(deployment.status == 0, "\(deployment.stderr)")
            #expect(
                lines(deployment).first?.hasPrefix("one.example: would deploy version 2, serial \(serial), ") == true)
            #expect(Array(lines(deployment).dropFirst()) == work, "\(deployment.stdout)")

            let rollback = try await certctl.rollback("--dry-run", "one.example")
            #expect(rollback.status == 0, "\(rollback.stderr)")
            let first = try #require(lines(rollback).first)
            #expect(first.hasPrefix("one.example: would roll back to a copy of serial "), "\(first)")
            #expect(!first.contains(serial) && first.hasSuffix(", installed as the next version"), "\(first)")
            #expect(Array(lines(rollback).dropFirst()) == work, "\(rollback.stdout)")

            let unknown = try await certctl.rollback("--dry-run", "--to", "7", "one.example")
            #expect(unknown.status == 64 && unknown.stdout.isEmpty, "\(unknown)")
            #expect(try takeHookLog(stack).isEmpty, "no hook has run")
            #expect(try await snapshot(of: stack.tree) + snapshot(of: certctl.state) == before)
        }
    }
}
