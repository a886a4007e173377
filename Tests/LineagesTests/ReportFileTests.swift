import FoundationEssentials
import Glibc
import Lineages
import Rig
import Testing

/// Files that root writes below another user's directory: that user cannot lead it anywhere.
@Suite(.enabled(if: isRoot, "needs root"))
struct ReportFileTests {
    /// A directory of another user's with one of root's in it, as Debian's node_exporter has it, and a file of root's.
    private func withPlace(_ setup: String, _ body: (String) async throws -> Void) async throws {
        try await TemporaryDirectory.with { directory in
            try await check(
                "sh",
                [
                    "-ec",
                    """
                    chmod 755 .; mkdir -p lib/exporter; chown 65534:65534 lib; mkdir -m 755 etc
                    echo 'the operator' >etc/victim; chmod 600 etc/victim; \(setup)
                    """,
                ], directory: directory)
            try await body(directory)
            #expect(contents(ofFile: "\(directory)/etc/victim") == "the operator\n")
            #expect(try await check("ls", ["-A", "\(directory)/etc"]) == "victim\n")
        }
    }

    @Test func `a report is written whole and world-readable, over what was there`() async throws {
        try await withPlace("echo old >lib/exporter/a.prom") { directory in
            let path = "\(directory)/lib/exporter/a.prom"
            try ReportFile.write(Array("new\n".utf8), to: path)
            #expect(contents(ofFile: path) == "new\n")
            #expect(try FileSystem.status(path)?.mode == 0o644)
            #expect(try await check("ls", ["-A", "\(directory)/lib/exporter"]) == "a.prom\n")
        }
    }

    @Test(
        arguments: [
            "ln -s ../../etc/victim lib/exporter/a.prom",
            "ln -s ../../etc/victim lib/exporter/.a.prom.certctl-new",
            "ln lib/../etc/victim lib/exporter/a.prom",
        ])
    func `a link that is planted in its place is replaced, not followed`(setup: String) async throws {
        try await withPlace(setup) { directory in
            let path = "\(directory)/lib/exporter/a.prom"
            try ReportFile.write(Array("new\n".utf8), to: path)
            #expect(contents(ofFile: path) == "new\n")
            #expect(try FileSystem.status(path)?.kind == .file)
        }
    }

    @Test(
        arguments: [
            "rmdir lib/exporter; ln -s ../etc lib/exporter; chown -h 65534 lib/exporter",
            "rm -r lib; ln -s etc lib; chown -h 65534 lib",
        ])
    func `a link of another user's on the way is refused`(setup: String) async throws {
        try await withPlace(setup) { directory in
            let error = #expect(throws: FileError.self) {
                try ReportFile.write(
                    Array("new\n".utf8), to: "\(directory)/lib/exporter/a.prom", makingDirectories: true)
            }
            #expect(error?.description.contains("a link that uid 65534 owns") == true)
        }
    }

    @Test func `a link of root's on the way is followed, and missing directories are made`() async throws {
        try await withPlace("ln -s lib link") { directory in
            try ReportFile.write(Array("new\n".utf8), to: "\(directory)/link/more/a.json", makingDirectories: true)
            #expect(contents(ofFile: "\(directory)/lib/more/a.json") == "new\n")
            let error = #expect(throws: FileError.self) {
                try ReportFile.write([], to: "\(directory)/lib/none/a.json")
            }
            #expect(error?.description.contains("has no directory none") == true)
        }
    }

    @Test func `a history that is a link is not appended to`() async throws {
        try await withPlace("ln -s ../etc/victim lib/history.jsonl") { directory in
            #expect(throws: FileError.self) {
                try FileSystem.append(line: Array("x".utf8), to: "\(directory)/lib/history.jsonl", mode: 0o600)
            }
        }
    }
}
