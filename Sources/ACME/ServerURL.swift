import FoundationEssentials

/// URLs that a CA gives for its resources.
enum ServerURL {
    /// Longer than any CA's; what passes it is not saved and not printed.
    static let longest = 2_000

    /// Whether a URL is absolute and `https`, with a host and without characters that a URL cannot have.
    static func isUsable(_ text: String) -> Bool {
        guard isText(text), let url = URL(string: text), url.scheme?.lowercased() == "https",
            url.host()?.isEmpty == false
        else { return false }
        return true
    }

    /// Foundation would escape what a URL cannot have, and make another URL of it.
    private static func isText(_ text: String) -> Bool {
        text.utf8.count <= longest && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    /// The Location of a resource that a request has made, which may be relative to the request's URL (RFC 9110 §10.2.2).
    ///
    /// - Throws: ``ACMEError/malformed(url:what:)`` where there is none that could be asked for later.
    static func location(_ text: String?, of what: String, from url: String) throws(ACMEError) -> String {
        guard let text else { throw .malformed(url: url, what: "there is no Location of the \(what)") }
        let location = Link.resolved(text, against: url)
        guard isText(text), isUsable(location) else {
            throw .malformed(url: url, what: "the \(what)'s URL is not an https URL: \(text.plainSentence)")
        }
        return location
    }
}
