import Renewal
import Setup

/// What docs/doctor.md says about a check: its cause and its fix. The program carries the page.
package struct CheckPage: Sendable {
    /// Plain text; each is one line, however long.
    package let paragraphs: [String]

    /// What stands for something of this host on the page.
    package struct Host: Sendable {
        /// The certificate, for `NAME`; nil where it is not known which one is meant.
        package let name: String?
        /// The config directory.
        package let tree: String
        /// The timer; nil where something else runs certctl.
        package let timer: String?

        package init(name: String?, tree: String, timer: String?) {
            (self.name, self.tree, self.timer) = (name, tree, timer)
        }
    }

    /// The section of a check, filled in for a host.
    package init(_ id: CheckID, _ host: Host) {
        var paragraphs: [String] = []
        var isOpen = false
        let lines = CheckPage.page.split(separator: "\n", omittingEmptySubsequences: false)
        let section = lines.drop { $0 != "### \(id.rawValue)" }.dropFirst().prefix { !$0.hasPrefix("#") }
        for line in section {
            if line.isEmpty {
                isOpen = false
            } else if isOpen {
                paragraphs[paragraphs.count - 1] += " \(line)"
            } else {
                paragraphs.append(String(line))
                isOpen = true
            }
        }
        self.paragraphs = paragraphs.map { CheckPage.filled(CheckPage.plain($0), host) }
    }

    private static let page = String(decoding: PackageResources.doctor_md, as: UTF8.self)

    /// Without Markdown's marks; of a link its text is left.
    private static func plain(_ markdown: String) -> String {
        var text = markdown.replacing("**", with: "").filter { $0 != "`" }
        while let middle = text.firstRange(of: "]("), let start = text[..<middle.lowerBound].lastIndex(of: "["),
            let end = text[middle.upperBound...].firstIndex(of: ")")
        {
            let words = text[text.index(after: start)..<middle.lowerBound]
            text.replaceSubrange(start...end, with: words)
        }
        return text
    }

    private static func filled(_ text: String, _ host: Host) -> String {
        var text = text.replacing("/etc/letsencrypt", with: host.tree)
        if let timer = host.timer {
            let service = Systemd.service(of: timer)
            text = text.replacing("certctl.timer", with: timer).replacing("certctl.service", with: service)
        }
        if let name = host.name { text = text.replacing("NAME", with: name.shellWord) }
        return text
    }
}
