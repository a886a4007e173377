import ACME
import Lineages
import PKI
import Renewal
import Text

/// The values of `-d`, and what to say about one that is no name.
enum DomainArgument {
    /// Reads every value; `-d a,b` is two names, as certbot has it, and blanks around the comma are somebody's habit.
    static func names(_ arguments: [String]) throws -> [SubjectName] {
        var names: [SubjectName] = []
        for argument in arguments {
            for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
                let text = part.trimmed
                guard !text.isEmpty else { continue }
                guard let name = SubjectName(text) else {
                    let (message, next) = complaint(text)
                    throw CommandFailure(.usage, message, next: next)
                }
                if !names.contains(name) { names.append(name) }
            }
        }
        return names
    }

    /// What is wrong with it, and what to give instead.
    static func complaint(_ text: String) -> (message: String, next: Remedy.Step) {
        let plain = text.plain
        if let scheme = text.firstRange(of: "://") {
            let host = text[scheme.upperBound...].prefix { !"/?#".contains($0) }
            let name = host.split(separator: "@").last.map(withoutPort) ?? ""
            return ("\(plain) is a URL: a certificate is for a name", suggestion(name))
        }
        if text.contains("/") {
            return (
                "\(plain) has a path: a certificate is for a name", suggestion(withoutPort(text.prefix { $0 != "/" }))
            )
        }
        if text.contains("@") {
            return ("\(plain) is a mail address", "give a host name with -d, and the address with --email")
        }
        if text.contains(where: \.isWhitespace) {
            return ("\(plain) has blanks in it", "give -d once for each name, or names with commas between them")
        }
        let bare = withoutPort(text[...])
        if bare != text, SubjectName(bare) != nil {
            return ("\(plain) has a port: a certificate is for a name, on every port", suggestion(bare))
        }
        if let ascii = Punycode.hostName(text), SubjectName(ascii) != nil {
            return ("\(plain) is an international name, which certificates have in its xn-- form", "-d \(ascii)")
        }
        return ("\(plain) is neither a DNS name nor an IP address", "give a name such as www.example.org")
    }

    private static func suggestion(_ name: String) -> Remedy.Step {
        SubjectName(name) != nil ? "-d \(name)" : "give a name such as www.example.org"
    }

    /// `name:443` and `[::1]:443` without the port.
    private static func withoutPort(_ text: Substring) -> String {
        guard let colon = text.lastIndex(of: ":"), text[text.index(after: colon)...].allSatisfy(\.isNumber),
            text[..<colon].hasSuffix("]") || !text[..<colon].contains(":")
        else { return String(text) }
        return String(text[..<colon])
    }
}
