import FoundationEssentials
import Rig

/// A page of the documentation, in the parts that can be checked.
struct MarkdownPage: Sendable {
    /// Its path from the top of the repository, as `docs/hooks.md`.
    let path: String
    /// Blocks between fences and comments, in the page's order.
    let blocks: [Block]
    /// What is outside of blocks, line by line; a line that belongs to a block is empty.
    let prose: [String]

    struct Block: Sendable {
        /// What stands behind the fence (`console`), or the first line of a comment.
        let info: String
        let isComment: Bool
        let lines: [String]
        /// The number of the first of `lines`.
        let firstLine: Int
    }

    /// The top of the repository.
    static let repository = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

    /// README.md, then the pages below docs/ by name.
    static func all() throws -> [MarkdownPage] {
        let docs = try FileManager.default.subpathsOfDirectory(atPath: "\(repository)/docs").sorted()
        return try (["README.md"] + docs.filter { $0.hasSuffix(".md") }.map { "docs/\($0)" }).map(MarkdownPage.init)
    }

    init(_ path: String) throws {
        guard let text = contents(ofFile: "\(MarkdownPage.repository)/\(path)") else {
            throw RigError("\(path) cannot be read")
        }
        self.path = path
        var blocks: [Block] = []
        var prose: [String] = []
        var open: (end: String, info: String, isComment: Bool, first: Int)?
        var lines: [String] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).enumerated()
        {
            if let block = open {
                prose.append("")
                if line == block.end {
                    blocks.append(
                        Block(info: block.info, isComment: block.isComment, lines: lines, firstLine: block.first))
                    (open, lines) = (nil, [])
                } else {
                    lines.append(line)
                }
            } else if line.hasPrefix("```") {
                open = ("```", String(line.dropFirst(3)), false, index + 2)
                prose.append("")
            } else if line.hasPrefix("<!-- "), !line.hasSuffix("-->") {
                open = ("-->", String(line.dropFirst(5)), true, index + 2)
                prose.append("")
            } else {
                prose.append(line)
            }
        }
        guard open == nil else { throw RigError("\(path): a block has no end") }
        (self.blocks, self.prose) = (blocks, prose)
    }

    /// The whole text outside of blocks.
    var text: String { prose.joined(separator: "\n") }

    /// The anchors of the headings, as they are made by GitHub.
    var anchors: Set<String> {
        Set(
            prose.filter { $0.hasPrefix("#") }.map { heading in
                let kept = heading.drop { $0 == "#" || $0 == " " }.lowercased()
                    .filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }
                return String(kept.map { $0 == " " ? "-" : $0 })
            })
    }

    /// What stands between backquotes.
    var codeSpans: Set<String> {
        Set(text.matches(of: /`([^`\n]+)`/).map { String($0.1) })
    }
}
