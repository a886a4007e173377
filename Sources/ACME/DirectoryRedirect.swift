import FoundationEssentials
import HTTP

/// Redirects of a directory's URL: CAs move it now and then, and clients that do not follow stop renewing.
///
/// Only the GET of the directory is followed, and only within a host. A POST never is: it is signed for one URL (RFC 8555 §6.4).
enum DirectoryRedirect {
    /// A directory that has moved twice is old; what goes on is a circle.
    static let most = 5
    private static let statuses: Set = [301, 302, 307, 308]

    /// Where a response leads, as an absolute URL; nil where it is no redirect.
    static func target(of response: HTTPResponse, from url: String) -> String? {
        guard statuses.contains(response.status), let location = response.headers["Location"] else { return nil }
        return Link.resolved(location, against: url)
    }

    /// Makes sure that a redirect may be followed.
    ///
    /// - Parameter server: the URL that is configured, whose host is trusted.
    static func require(_ target: String, from url: String, server: String, count: Int) throws(ACMEError) {
        func refusal(_ reason: String) -> ACMEError {
            .redirected(from: url, to: target.line(atMost: 500), reason: reason)
        }
        guard ServerURL.isUsable(target) else { throw refusal("that is not an https URL, so it is not followed") }
        guard place(target) == place(server) else {
            throw refusal(
                "that is another server, so it is not followed; if the CA has moved there, set server to that URL")
        }
        guard count < most else { throw refusal("there were \(most) redirects before, so it is not followed") }
    }

    /// Host and port.
    private static func place(_ text: String) -> String? {
        guard let url = URL(string: text), let host = url.host() else { return nil }
        return "\(host.lowercased()):\(url.port ?? 443)"
    }
}
