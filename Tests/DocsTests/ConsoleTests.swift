import FoundationEssentials
import Rig
import Testing

/// What the pages show in a terminal is run, and does what they say.
///
/// A block marked `console` holds commands after `$ `, each with its whole output; three dots on a line of their own
/// stand for lines left out. All blocks of a page run in order, as root, on a host of the page's own. Every command has
/// to exit with 0: a page that means to show another status shows `; echo $?`. Two comments, which readers do not see, belong to it:
///
/// - `<!-- setup` holds commands for what the page takes as given at that point;
/// - `<!-- output of COMMAND` says what printed the next block, run at the top of the repository.
///
/// With `RECORD=1` in the environment, an output that differs is written into the page, wrapped at 80 columns: `make record`.
@Suite(.stack, .parts("certbot"))
struct ConsoleTests {
    @Test func `what the pages show is what the commands do`() async throws {
        try await Rig.withStack { stack in
            for page in try MarkdownPage.all() {
                var recordings: [Recording] = []
                try await check(page, in: Sandbox(stack, page: page.path), recording: &recordings)
                try Recording.write(recordings, into: page)
            }
        }
    }

    private func check(
        _ page: MarkdownPage, in sandbox: Sandbox, recording recordings: inout [Recording]
    ) async throws {
        var match = OutputMatch()
        var source: String?
        for block in page.blocks {
            var commands: [ShownCommand] = []
            if block.isComment, block.info == "setup" {
                let (status, printed) = try await sandbox.run((["set -e"] + block.lines).joined(separator: "\n"))
                #expect(status == 0, "\(page.path):\(block.firstLine): the setup fails:\n\(printed)")
                try await sandbox.serve()
            } else if block.isComment, block.info.hasPrefix("output of ") {
                let program = block.info.dropFirst("output of ".count)
                source = "cd \(shellQuoted(MarkdownPage.repository)) && \(program) 2>/dev/null"
            } else if let command = source {
                commands = [
                    ShownCommand(
                        command: command, output: block.lines, line: block.firstLine, outputLine: block.firstLine)
                ]
                source = nil
            } else if block.info == "console" {
                commands = ShownCommand.all(in: block)
            }
            for shown in commands {
                let (status, printed) = try await sandbox.run(shown.command)
                #expect(status == 0, "\(page.path):\(shown.line): \(shown.command)\n\(printed)")
                var isShown = match.accepts(printed, as: shown.output)
                if !isShown || Recording.isTooWide(shown.output), let recording = Recording(of: shown, printed: printed)
                {
                    recordings.append(recording)
                    isShown = match.accepts(printed, as: recording.lines)
                }
                #expect(isShown, "\(page.path):\(shown.line): \(shown.command) prints:\n\(printed)")
            }
        }
    }
}

/// What the comparison of outputs forgives, and what it does not.
struct OutputMatchTests {
    @Test(arguments: [
        ("expires 2027-02-21 03:09 (in 89 days)", "expires 2026-01-01 10:00 (in 3 hours)"),
        ("NAME  STATE\nx", "NAME     STATE\nx"), ("a b\n  c d", "a b c\n  d"), ("a\n...\n  d\ne", "a b\n  c\n  d\ne"),
        ("a\nx: the CA validates b, c\nd", "a\nx: the CA validates c\nd"),
        ("a\nx: the CA validates b\nd", "a\nd"), ("a\n...\nd", "a\nb\nc\nd"), ("...", ""),
        ("serial 0B2274855C33499B, again 0b2274855c33499b", "serial AAAAAAAA5C33499B, again aaaaaaaa5c33499b"),
        ("serial 1B2274855C33499B, again 1b2274855c33499b", "serial 883f39e43f81f1d, again 0883f39e43f81f1d"),
    ])
    func `what differs from run to run is forgiven`(shown: String, printed: String) {
        var match = OutputMatch()
        let isAccepted = match.accepts(printed + "\n", as: lines(shown))
        #expect(isAccepted)
    }

    @Test(arguments: [
        ("state ok", "state due"), ("a", "a\nb"), ("a\nb", "a"), ("a\n...\nd", "a\nb"), ("", "something"),
        ("a b", "a\nb"),
        ("a\n  b", "a\nb"), ("...\na", "a\nb"),
        ("0B2274855C33499B 0B2274855C33499B", "0B2274855C33499B 76E258EB852468EA"),
        ("0B2274855C33499B 76E258EB852468EA", "0B2274855C33499B 0B2274855C33499B"),
    ])
    func `what differs in substance is not`(shown: String, printed: String) {
        var match = OutputMatch()
        let isAccepted = match.accepts(printed, as: lines(shown))
        #expect(!isAccepted)
    }

    private func lines(_ text: String) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
}

/// What `make record` writes into a page.
struct RecordingTests {
    @Test func `a long line is wrapped at words, and dots stay where they were`() {
        let printed = "first line\nsecond\n  " + String(repeating: "word ", count: 20) + "end\nlast line is new\n"
        let shown = ["first line", "...", "last line"]
        let lines = Recording.lines(for: shown, printed: printed)
        #expect(lines == ["first line", "...", "last line is new"])
        let all = Recording.lines(for: ["x"], printed: printed) ?? []
        #expect(all.count == 5 && all.allSatisfy { $0.count <= 80 })
        #expect(all[3] == "    word word word word word end")
    }

    @Test func `an output that has nothing of the page's lines is not written`() {
        #expect(Recording.lines(for: ["a b", "..."], printed: "c d\ne f\n") == nil)
    }
}
