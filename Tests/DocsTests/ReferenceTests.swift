import Diagnosis
import FoundationEssentials
import Lineages
import Renewal
import Rig
import Testing

/// The pages name what there is, all of it and nothing else.
struct ReferenceTests {
    @Test func `every link between the pages leads somewhere`() throws {
        let pages = try MarkdownPage.all()
        for page in pages {
            for link in page.links where !link.target.hasPrefix("https://") {
                let parts = link.target.split(separator: "#", omittingEmptySubsequences: false).map(String.init)
                let target = resolve(parts[0], from: page.path)
                #expect(
                    FileManager.default.fileExists(atPath: "\(MarkdownPage.repository)/\(target)"),
                    "\(page.path):\(link.line): \(link.target)")
                guard parts.count > 1, let other = pages.first(where: { $0.path == target }) else { continue }
                #expect(other.anchors.contains(parts[1]), "\(page.path):\(link.line): \(link.target)")
            }
        }
    }

    @Test func `every page is linked from the README`() throws {
        let readme = try MarkdownPage("README.md")
        for page in try MarkdownPage.all() where page.path != "README.md" {
            #expect(readme.links.contains { $0.target == page.path }, "\(page.path)")
        }
    }

    @Test func `the options that help prints are those that the configuration page explains`() async throws {
        let page = try MarkdownPage("docs/configuration.md")
        let (ca, run) = (
            "What asks a CA: renew, issue, names, revoke, doctor, account",
            "What changes something: renew, issue, names, deploy, rollback"
        )
        let account = "certctl account"
        let commands: [(command: String, shared: [String])] = [
            ("status", []), ("renew", [ca, run]), ("issue", [ca, run]), ("deploy", [run]), ("rollback", [run]),
            ("repair", []), ("names", [ca, run]), ("revoke", [ca]), ("delete", []), ("history", []), ("doctor", [ca]),
            ("hooks list", []), ("hooks run", [run]),
            ("setup", []),
            ("account list", []), ("account show", [ca, account]), ("account register", [ca, account]),
            ("account update", [ca, account]), ("account deactivate", [ca, account]),
            ("account profiles", [ca, account]),
            ("account thumbprint", [ca, account]),
        ]
        for (command, shared) in commands {
            let words = ["help"] + command.split(separator: " ").map(String.init)
            let help = try await check(Sandbox.certctl, words, environment: ["COLUMNS": "200"])
            // An option's line has two spaces before what it does.
            let lines = help.split(separator: "\n").filter { $0.hasPrefix("  -") }.map { $0.dropFirst(2) }
            let printed = lines.flatMap { optionNames(in: String($0.split(separator: "  ")[0])) }
            let headings = ["Every command", "certctl \(command)"] + shared
            let explained = headings.flatMap { page.rows(under: $0) }.flatMap { optionNames(in: $0) }
            #expect(Set(explained) == Set(printed), "certctl \(command)")
        }
    }

    private func optionNames(in text: String) -> [String] {
        text.split { !$0.isLetter && $0 != "-" }.map(String.init).filter { $0.hasPrefix("-") }
    }

    @Test func `the files and targets that the architecture page names are those of Sources`() throws {
        let page = try MarkdownPage("docs/architecture.md")
        let sources = "\(MarkdownPage.repository)/Sources"
        for file in page.codeSpans where file.hasSuffix(".swift") {
            #expect(FileManager.default.fileExists(atPath: "\(sources)/\(file)"), "\(file)")
        }
        let named = page.terms(under: "Parts").flatMap { $0.split(separator: ",").map(String.init) }
        #expect(named.sorted() == (try FileManager.default.contentsOfDirectory(atPath: sources).sorted()))
    }

    @Test func `every state and every problem code is explained, and no other`() throws {
        let page = try MarkdownPage("docs/reference/json.md")
        #expect(page.terms(under: "States") == LineageStatus.State.allCases.map(\.rawValue))
        #expect(page.terms(under: "Problem codes").sorted() == LineageProblem.Code.allCases.map(\.rawValue).sorted())
    }

    @Test func `every check of doctor is explained, in the order of travel, and no other`() throws {
        #expect(try MarkdownPage("docs/doctor.md").terms(under: "Checks") == CheckID.allCases.map(\.rawValue))
    }

    /// A link's target from the top of the repository.
    private func resolve(_ target: String, from page: String) -> String {
        if target.isEmpty { return page }
        var parts = page.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") {
            if part == ".." { parts.removeLast() } else if part != "." { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
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
