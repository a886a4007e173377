import Diagnosis
import FoundationEssentials
import Lineages
import Renewal
import Rig
import Testing

/// The pages name what there is, all of it and nothing else.
struct ReferenceTests {
    @Test func `the option tables are those that the program's help gives`() async throws {
        try await TemporaryDirectory.with { directory in
            let page = "\(MarkdownPage.repository)/docs/reference/commands.md"
            try await check("cp", [page, "\(directory)/commands.md"])
            let generate = "\(MarkdownPage.repository)/docs/man/generate"
            try await check(generate, ["--options", Sandbox.certctl, "\(directory)/commands.md"])
            let isCurrent = contents(ofFile: page) == contents(ofFile: "\(directory)/commands.md")
            #expect(isCurrent, "docs/reference/commands.md is out of date: run make reference")
        }
    }

    @Test func `a command without a place for its options is an error`() async throws {
        try await TemporaryDirectory.with { directory in
            try "<!-- options of every command -->\n<!-- end of options -->\n".write(
                toFile: "\(directory)/page.md", atomically: true, encoding: .utf8)
            let generate = "\(MarkdownPage.repository)/docs/man/generate"
            let output = try await sh(generate, ["--options", Sandbox.certctl, "\(directory)/page.md"])
            #expect(output.status == 1)
            #expect(output.stderr.hasSuffix("/page.md: 0 places for the options of certctl status, not one\n"))
        }
    }

    @Test func `every host-wide setting is explained, and no other`() throws {
        let page = try MarkdownPage("docs/reference/certctl.conf.md")
        let explained: [String] = ["Renewal", "Verification", "Reports", "DNS", "Doctor"].flatMap {
            page.terms(under: $0)
        }
        #expect(explained.sorted() == HostSettings.knownKeys.sorted())
    }

    @Test func `the files and targets that the pages name are those of Sources`() throws {
        let page = try MarkdownPage("docs/architecture.md")
        let sources = "\(MarkdownPage.repository)/Sources"
        for file in page.codeSpans.union(try MarkdownPage("docs/CONTRIBUTING.md").codeSpans)
        where file.hasSuffix(".swift") {
            #expect(FileManager.default.fileExists(atPath: "\(sources)/\(file)"), "\(file)")
        }
        let named = page.terms(under: "Parts").flatMap { $0.split(separator: ",").map(String.init) }
        #expect(named.sorted() == (try FileManager.default.contentsOfDirectory(atPath: sources).sorted()))
    }

    @Test func `every state and every problem code is explained, and no other`() throws {
        let page = try MarkdownPage("docs/status-json.md")
        #expect(page.terms(under: "States") == LineageStatus.State.allCases.map(\.rawValue))
        #expect(page.terms(under: "Problem codes").sorted() == LineageProblem.Code.allCases.map(\.rawValue).sorted())
    }

    @Test func `every check of doctor has a heading with its cause and its fix, in order, and no other`() throws {
        let page = try MarkdownPage("docs/doctor.md")
        #expect(page.prose.filter { $0.hasPrefix("### ") } == CheckID.allCases.map { "### \($0.rawValue)" })
        for id in CheckID.allCases {
            #expect(page.anchors.contains(id.rawValue))
            let paragraphs = CheckPage(id, CheckPage.Host(name: nil, tree: "/etc/letsencrypt", timer: nil)).paragraphs
            #expect(
                paragraphs.count == 2 && paragraphs.last?.hasPrefix("Fix: ") == true, "\(id.rawValue): \(paragraphs)")
        }
    }
}

extension MarkdownPage {
    /// The first cells of the tables under a heading, up to the next heading.
    fileprivate func rows(under heading: String) -> [String] {
        let start = prose.firstIndex { $0.drop { $0 == "#" } == " \(heading)" } ?? prose.endIndex
        return prose[start...].dropFirst().prefix { !$0.hasPrefix("#") }
            .filter { $0.hasPrefix("| `") }
            .compactMap { $0.split(separator: "|").first.map(String.init) }
    }

    /// The terms that the tables under a heading explain.
    fileprivate func terms(under heading: String) -> [String] {
        rows(under: heading).map { $0.filter { $0 != "`" && $0 != " " } }
    }
}
