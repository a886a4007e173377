import CCurl

/// The server that a URL names, read by the parser that will read it for the transfer.
@safe struct RequestTarget {
    /// The URL's host and port, the latter also where the URL leaves it out.
    let hostAndPort: String

    /// Throws `invalidURL`.
    init(url: String) throws(HTTPError) {
        guard !url.utf8.contains(0), let parser = unsafe curl_url() else {
            throw Self.refusal(of: url, because: "it cannot be parsed")
        }
        defer { unsafe curl_url_cleanup(parser) }
        let result = unsafe curl_url_set(parser, CURLUPART_URL, url, 0)
        guard result == CURLUE_OK else {
            throw unsafe Self.refusal(of: url, because: String(cString: curl_url_strerror(result)))
        }
        func part(_ part: CURLUPart) -> String {
            var value: UnsafeMutablePointer<CChar>?
            guard unsafe curl_url_get(parser, part, &value, UInt32(CURLU_DEFAULT_PORT)) == CURLUE_OK,
                let value = unsafe value
            else { return "" }
            defer { unsafe curl_free(value) }
            return unsafe String(cString: value)
        }
        guard ["http", "https"].contains(part(CURLUPART_SCHEME)) else {
            throw Self.refusal(of: url, because: "only http and https are spoken")
        }
        hostAndPort = "\(part(CURLUPART_HOST)):\(part(CURLUPART_PORT))"
    }

    /// The error names the URL, unless a password may be in it.
    private static func refusal(of url: String, because reason: String) -> HTTPError {
        let name = url.contains("@") ? "(one with a user name)" : url.isEmpty ? "(an empty one)" : url
        return HTTPError(kind: .invalidURL, host: "", detail: "\(name): \(reason)")
    }
}
