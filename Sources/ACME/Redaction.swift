extension String {
    /// The text for records that others read (metrics, history, notifications): of URLs no user name, no query and no fragment,
    /// and no signed tokens. A reader could use the URL that ends the pause of a name in the operator's place.
    package var redacted: String {
        var text = ""
        var rest = self[...]
        while let start = rest.firstRange(of: "://") {
            text += rest[..<start.upperBound]
            rest = rest[start.upperBound...]
            let url = rest.prefix { !$0.isWhitespace && !"\"'<>()`".contains($0) }
            text += Redaction.withoutSecrets(url)
            rest = rest[url.endIndex...]
        }
        return (text + rest).split(separator: " ", omittingEmptySubsequences: false)
            .map { Redaction.isToken($0) ? "…" : String($0) }.joined(separator: " ")
    }
}

private enum Redaction {
    /// What follows `://`, without what may be secret.
    static func withoutSecrets(_ url: Substring) -> String {
        let authority = url.prefix { !"/?#".contains($0) }
        let host = authority.lastIndex(of: "@").map { "…" + authority[$0...] } ?? String(authority)
        let path = url[authority.endIndex...].prefix { $0 != "?" && $0 != "#" }
        let dropped = url[path.endIndex...]
        guard let mark = dropped.first else { return host + path }
        // A full stop after a URL ends the sentence.
        return host + path + "\(mark)…" + (dropped.last.map { ".,;:".contains($0) ? String($0) : "" } ?? "")
    }

    /// Whether a word holds a JWS or JWT (RFC 7515 §7.1): the header of each begins with `{"`.
    static func isToken(_ word: Substring) -> Bool {
        guard let start = word.firstRange(of: "eyJ") else { return false }
        return word[start.lowerBound...].split(separator: ".", omittingEmptySubsequences: false).count >= 3
    }
}
