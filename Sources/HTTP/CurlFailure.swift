import CCurl
import Glibc

/// All that libcurl knows about a transfer that failed.
struct CurlFailure {
    let code: CURLcode
    /// libcurl's description, from its error buffer.
    let words: String
    /// `errno` of the last failed system call; 0 when there was none.
    let systemError: CInt
    /// The status of the proxy's answer to CONNECT; 0 when none was asked.
    let proxyStatus: Int
}

extension HTTPError {
    /// The error that a failed transfer to `host` means.
    ///
    /// - Parameter proxy: what the environment says for the URL's scheme.
    init(_ failure: CurlFailure, host: String, proxy: ProxySetting?) {
        let kind = failure.kind(host: host)
        let isSystemError = kind == .cannotConnect && failure.systemError != 0
        let detail = isSystemError ? unsafe String(cString: strerror(failure.systemError)) : failure.words
        let isProxy = [.proxy, .proxyRefused, .invalidProxy].contains(kind)
        self.init(
            kind: kind, host: host, detail: proxy?.redacted(detail) ?? detail.withoutCredentials,
            proxy: isProxy ? proxy : nil)
    }
}

extension CurlFailure {
    fileprivate func kind(host: String) -> HTTPError.Kind {
        switch code {
        case CURLE_URL_MALFORMAT: .invalidURL
        case CURLE_COULDNT_RESOLVE_HOST: .unresolvedHost
        case CURLE_COULDNT_RESOLVE_PROXY where isAboutProxySetting: .invalidProxy
        case CURLE_COULDNT_CONNECT where isAboutProxySetting: .invalidProxy
        case CURLE_COULDNT_RESOLVE_PROXY, CURLE_PROXY: .proxy
        case CURLE_COULDNT_CONNECT: isAboutProxy(to: host) ? .proxy : .cannotConnect
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS: .tlsNotTrusted
        case CURLE_SSL_CACERT_BADFILE: .unreadableCABundle
        case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_SSL_CERTPROBLEM, CURLE_USE_SSL_FAILED: .tlsFailed
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE, CURLE_HTTP2, CURLE_HTTP2_STREAM:
            proxyStatus == 0 || (200..<300).contains(proxyStatus) ? .interrupted : isProxyFinal ? .proxyRefused : .proxy
        default: .other
        }
    }

    /// Whether libcurl could make nothing of the setting: it has no code for that.
    private var isAboutProxySetting: Bool { words.hasPrefix("Unsupported proxy") }

    /// Whether the proxy's answer to CONNECT stays the same until somebody changes something: 407 and 403 above all, not a fault
    /// of its own and not a limit.
    private var isProxyFinal: Bool { (400..<500).contains(proxyStatus) && ![408, 425, 429].contains(proxyStatus) }

    /// Whether libcurl could not connect to another host than the URL's, which then is a proxy: it has no code for that.
    private func isAboutProxy(to host: String) -> Bool {
        guard !host.hasPrefix("/"), words.hasPrefix("Failed to connect to ") else { return false }
        let colon = host.lastIndex(of: ":") ?? host.endIndex
        let name = host[..<colon].filter { !"[]".contains($0) }
        return !words.contains(" \(name) port \(host[colon...].dropFirst()) ")
    }
}
