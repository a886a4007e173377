import Text

/// The suffixes below which names are registered (https://publicsuffix.org/list/): what a CA counts its certificates by.
package struct PublicSuffixes: Sendable {
    private var suffixes: Set<String> = []
    /// Of rules like `*.ck`: every name right below is a suffix.
    private var parents: Set<String> = []
    /// Of rules like `!www.ck`: such a name is none.
    private var exceptions: Set<String> = []
    /// Labels below which most countries register, where there is no list.
    private var common: Set<String> = []

    /// Where Debian's package publicsuffix has the list.
    package static let path = "/usr/share/publicsuffix/public_suffix_list.dat"
    /// It has 300 KB.
    private static let longestList = 10_000_000

    /// The list of this host; where it has none, common ones that countries register below, such as `co.uk`.
    package static let ofHost =
        PublicSuffixes(path: path)
        ?? PublicSuffixes(common: [
            "ac", "co", "com", "edu", "gob", "gov", "gv", "ne", "net", "or", "org",
        ])

    private init(common: Set<String>) { self.common = common }

    private init?(path: String) {
        guard let bytes = try? FileSystem.read(path, limit: PublicSuffixes.longestList) else { return nil }
        self.init(list: String(decoding: bytes, as: UTF8.self))
    }

    /// - Parameter list: one rule a line, up to the first blank; comments begin with `//`.
    package init(list: String) {
        for line in list.split(whereSeparator: \.isNewline) {
            guard let word = line.split(whereSeparator: \.isWhitespace).first, !word.hasPrefix("//") else { continue }
            let name = word.drop { "!*.".contains($0) }.lowercased()
            let rule = Punycode.hostName(name) ?? name
            if word.hasPrefix("!") {
                exceptions.insert(rule)
            } else if word.hasPrefix("*.") {
                parents.insert(rule)
            } else {
                suffixes.insert(rule)
            }
        }
    }

    /// The suffix of a DNS name and the label before it; the name itself where there is none, or it is an address.
    package func registeredDomain(of name: String) -> String {
        var labels = name.lowercased().split(separator: ".")
        if labels.first == "*" { labels.removeFirst() }
        guard labels.count > 1, labels.last?.contains(where: \.isLetter) == true, !name.contains(":") else {
            return name
        }
        let length = (1..<labels.count).last { isSuffix(labels.suffix($0)) } ?? 1
        return labels.suffix(length + 1).joined(separator: ".")
    }

    private func isSuffix(_ labels: ArraySlice<Substring>) -> Bool {
        let name = labels.joined(separator: ".")
        if exceptions.contains(name) { return false }
        if suffixes.contains(name) || parents.contains(labels.dropFirst().joined(separator: ".")) { return true }
        return labels.count == 2 && labels.last?.utf8.count == 2 && common.contains(labels.first.map(String.init) ?? "")
    }
}
