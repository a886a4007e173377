import Glibc

/// A proxy that the environment names, as libcurl looks it up (curl(1), ENVIRONMENT).
package struct ProxySetting: Hashable, Sendable {
    /// The environment variable, such as `https_proxy`.
    package let variable: String
    /// What it says, without user name and password.
    package let value: String
    /// What it says; it may hold a password.
    private let secret: String

    /// The setting for URLs of a scheme; nil where there is none. That `no_proxy` excludes a host is not looked at.
    init?(scheme: String) {
        // HTTP_PROXY is not read: a CGI program gets it from the header Proxy of any client.
        let names = ["\(scheme)_proxy"] + (scheme == "http" ? [] : ["\(scheme.uppercased())_PROXY"])
        for name in names + ["all_proxy", "ALL_PROXY"] {
            guard let value = unsafe getenv(name).map({ unsafe String(cString: $0) }), !value.isEmpty else { continue }
            variable = name
            secret = value
            self.value = value.withoutCredentials
            return
        }
        return nil
    }

    /// A text of libcurl's, which quotes the setting as it is.
    func redacted(_ text: String) -> String { text.replacing(secret, with: value).withoutCredentials }
}

extension String {
    /// The text without the user names and passwords of URLs in it; also of one without a scheme that is the whole text.
    package var withoutCredentials: String {
        guard contains("@") else { return self }
        guard contains("://") else {
            guard !contains(where: \.isWhitespace), let at = lastIndex(of: "@") else { return self }
            return "…" + self[at...]
        }
        var text = ""
        var rest = self[...]
        while let start = rest.firstRange(of: "://") {
            text += rest[..<start.upperBound]
            rest = rest[start.upperBound...]
            let authority = rest.prefix { !$0.isWhitespace && !"/?#\"'<>".contains($0) }
            guard let at = authority.lastIndex(of: "@") else { continue }
            text += "…"
            rest = rest[at...]
        }
        return text + rest
    }
}
