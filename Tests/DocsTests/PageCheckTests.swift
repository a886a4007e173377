import FoundationEssentials
import Rig
import Testing

/// What `make check` finds in the pages, and what it does not find in these.
@Suite(.parts("git", "python3"))
struct PageCheckTests {
    @Test func `the pages of this repository have no dead link, wide sample or unknown message`() async throws {
        let output = try await sh("\(MarkdownPage.repository)/Tests/check-docs", [])
        #expect(output.status == 0, "\(output.stdout)\(output.stderr)")
    }

    @Test(arguments: [
        ("docs/a.md", "[x](b.md)", "docs/a.md:1: dead link: b.md"),
        ("docs/a.md", "[x](index.md#none)", "docs/a.md:1: docs/index.md has no heading for #none"),
        ("docs/a.md", "[x](#here)", "docs/a.md:1: docs/a.md has no heading for #here"),
        ("docs/a.md", "```console\n\(String(repeating: "x", count: 81))\n```", "docs/a.md:2: 81 columns"),
        ("docs/b.md", "not listed", "docs/b.md is not listed in docs/index.md"),
        ("docs/troubleshooting.md", "## Index of messages\n| `no such message` | x |", "prints “no such message”"),
        ("docs/troubleshooting.md", "nothing", "lists none"),
    ])
    func `a fault of a page is named`(page: String, text: String, finding: String) async throws {
        let output = try await checkDocs([page: text])
        #expect(output.status == 1)
        #expect(output.stdout.contains(finding), "\(output.stdout)")
        #expect(output.stdout.split(separator: "\n").count == 1, "\(output.stdout)")
    }

    @Test func `what is right is not named`() async throws {
        let wide = String(repeating: "x", count: 81)
        let text = "## A b, `c`\n[x](#a-b-c) [y](../Sources/x.swift) `[z](none)`\n```sh\n\(wide)\n```\n\(wide)"
        let output = try await checkDocs(["docs/a.md": text])
        #expect(output.status == 0, "\(output.stdout)\(output.stderr)")
    }

    /// Runs the script in a repository with these pages and what they need.
    private func checkDocs(_ pages: [String: String]) async throws -> Output {
        try await TemporaryDirectory.with { directory in
            let files = [
                "docs/index.md": "[a](a.md) [t](troubleshooting.md)\n", "docs/a.md": "",
                "docs/troubleshooting.md": "## Index of messages\n| `cannot read PATH: it is full` | x |\n",
                "Sources/x.swift": "\"cannot read \\(path): it \" +\n    \"is full\"",
            ].merging(pages) { $1 }
            for (name, text) in files {
                let path = "\(directory)/\(name)"
                try await check("mkdir", ["-p", path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }])
                try text.write(toFile: path, atomically: true, encoding: .utf8)
            }
            try await check("mkdir", ["\(directory)/Tests"])
            try await check("cp", ["\(MarkdownPage.repository)/Tests/check-docs", "\(directory)/Tests"])
            try await check("git", ["-C", directory, "init", "--quiet"])
            try await check("git", ["-C", directory, "add", "Sources"])
            return try await sh("\(directory)/Tests/check-docs", [])
        }
    }
}
