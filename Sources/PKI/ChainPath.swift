import COpenSSL

/// Whether a path leads from a leaf, by the certificates of its file, to something that clients may trust (RFC 5280 §6).
///
/// Dates do not matter here: a superfluous certificate may have expired, and a clock may be wrong.
package enum ChainPath {
    /// What a chain is worth beside the one that it would replace.
    package enum Verdict: Hashable, Sendable {
        /// A path leads to an anchor.
        case whole(Anchor)
        /// None is known to, but the predecessor was no better, or there is none: nothing is lost by it.
        case noWorse
        /// No path leads anywhere, where one did before: why, in a line.
        case leadsNowhere(reason: String)
    }

    /// Where a path ends.
    package enum Anchor: Hashable, Sendable {
        /// At a self-signed certificate in the file.
        case selfSigned
        /// At one that the host trusts: the system's, or `ca_bundle`.
        case trusted
        /// At a root that is not in the file but in the predecessor's, and that has signed the last certificate of the path.
        case outside
    }

    /// Judges a chain, the leaf first.
    ///
    /// Too little is known of private CAs to refuse what merely is not trusted here. A chain is refused only if the one before
    /// was whole (it led to an anchor, or the leaf's issuer was with it) and this one is not:
    /// - the leaf's issuer is not in the file, or
    /// - the path ends where the predecessor's file still had the next issuer, or
    /// - the predecessor's path led to an anchor, and this one's to none.
    ///
    /// - Parameters:
    ///   - chain: what a CA sent; the order after the leaf does not matter, nor does what is superfluous.
    ///   - predecessor: the live chain; empty where there is none.
    ///   - trust: the roots that this host trusts.
    /// - Throws: what OpenSSL cannot read of it.
    package static func judge(
        _ chain: [Certificate], after predecessor: [Certificate], trust: TrustStore
    ) throws(PKIError) -> Verdict {
        if let anchor = try anchor(of: chain, trust: trust) { return .whole(anchor) }
        guard !predecessor.isEmpty else { return .noWorse }
        let roots = predecessor.dropFirst().filter { $0.isNamedAsIssued(by: $0) }
        if !roots.isEmpty, try isAnchored(chain, in: trust.opened(with: roots)) { return .whole(.outside) }
        let before = try path(of: predecessor)
        // One that was self-signed shows nothing of what a CA sends.
        if let leaf = before.first, leaf.isNamedAsIssued(by: leaf) { return .noWorse }
        let wasAnchored = try anchor(of: predecessor, trust: trust) != nil
        guard wasAnchored || before.count > 1 else { return .noWorse }
        let path = try path(of: chain)
        guard let leaf = path.first, let last = path.last else { return .noWorse }
        guard path.count > 1 else {
            let others =
                chain.count == 1
                ? "the leaf comes alone" : "the \(chain.count - 1) certificates with the leaf are not its issuers"
            return .leadsNowhere(reason: "\(others): that of \(leaf.issuer) is missing")
        }
        for earlier in predecessor.dropFirst() where !path.contains(earlier) {
            guard try !hasIssued(earlier, last) else {
                return .leadsNowhere(
                    reason: "it ends with \(last.subject), whose issuer \(last.issuer) the chain before had")
            }
        }
        guard wasAnchored else { return .noWorse }
        return .leadsNowhere(
            reason:
                "it ends with \(last.subject), and its issuer \(last.issuer) is neither trusted on this host nor in ca_bundle"
        )
    }

    /// A new leaf with the issuers that its own chain lacks and the predecessor's file has, the leaf first and each followed by
    /// its issuer; nil where these do not make it whole, or nothing is missing.
    package static func completed(
        _ chain: [Certificate], from predecessor: [Certificate], trust: TrustStore
    ) throws(PKIError) -> [Certificate]? {
        guard chain.count >= 1, predecessor.count > 1 else { return nil }
        let completed = try path(of: chain + predecessor.dropFirst())
        guard completed.count > (try path(of: chain)).count else { return nil }
        if case .leadsNowhere = try judge(completed, after: predecessor, trust: trust) { return nil }
        return completed
    }

    /// The certificates of a file in PEM, one after the other.
    package static func pem(_ chain: [Certificate]) throws(PKIError) -> [UInt8] {
        var bytes: [UInt8] = []
        for certificate in chain { bytes += try certificate.pem() }
        return bytes
    }

    /// Where a path from the leaf leads; nil where none leads to an anchor.
    private static func anchor(of chain: [Certificate], trust: TrustStore) throws(PKIError) -> Anchor? {
        let roots = chain.filter { $0.isNamedAsIssued(by: $0) }
        if !roots.isEmpty, try isAnchored(chain, in: TrustStore().opened(with: roots)) { return .selfSigned }
        return try isAnchored(chain, in: trust.opened(with: [])) ? .trusted : nil
    }

    /// The leaf and the issuers that follow from it within the file, in the order of signing, as far as they go.
    private static func path(of chain: [Certificate]) throws(PKIError) -> [Certificate] {
        guard let leaf = chain.first else { return [] }
        var path = [leaf]
        var last = leaf
        while !last.isNamedAsIssued(by: last) {
            var next: Certificate?
            for candidate in chain.dropFirst() where !path.contains(candidate) {
                if try hasIssued(candidate, last) {
                    next = candidate
                    break
                }
            }
            guard let next else { break }
            path.append(next)
            last = next
        }
        return path
    }

    /// Whether a certificate's key has signed another, and may (X509_check_issued(3)). Dates are not looked at.
    package static func hasIssued(_ issuer: Certificate, _ subject: Certificate) throws(PKIError) -> Bool {
        guard subject.isNamedAsIssued(by: issuer) else { return false }
        let upper = try Certificate.handle(der: issuer.der)
        let lower = try Certificate.handle(der: subject.der)
        guard unsafe X509_check_issued(upper.pointer, lower.pointer) == X509_V_OK else { return false }
        defer { OpenSSLErrors.drain() }
        guard let key = unsafe X509_get0_pubkey(upper.pointer) else { return false }
        return unsafe X509_verify(lower.pointer, key) == 1
    }

    /// Whether OpenSSL finds a path from the first certificate by the others to one of the store, whenever that was valid.
    private static func isAnchored(_ chain: [Certificate], in store: borrowing OpenSSLObject) throws(PKIError) -> Bool {
        guard let leaf = chain.first else { return false }
        let leafHandle = try Certificate.handle(der: leaf.der)
        let others = try unsafe OpenSSLObject(
            certctl_certificates_new(), freedBy: { unsafe certctl_certificates_free($0) }, "prepare a verification")
        for certificate in chain.dropFirst() {
            let handle = try Certificate.handle(der: certificate.der)
            guard unsafe X509_up_ref(handle.pointer) == 1 else { throw PKIError.openSSL("prepare a verification") }
            guard unsafe certctl_certificates_push(others.pointer, handle.pointer) > 0 else {
                unsafe X509_free(handle.pointer)
                throw PKIError.openSSL("prepare a verification")
            }
        }
        let context = try unsafe OpenSSLObject(
            X509_STORE_CTX_new(), freedBy: { unsafe X509_STORE_CTX_free($0) }, "prepare a verification")
        guard unsafe X509_STORE_CTX_init(context.pointer, store.pointer, leafHandle.pointer, others.pointer) == 1 else {
            throw PKIError.openSSL("prepare a verification")
        }
        let parameters = unsafe X509_STORE_CTX_get0_param(context.pointer)
        // An intermediate that is trusted by itself is an end; what a critical extension means is the clients' business.
        let flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_IGNORE_CRITICAL
        unsafe _ = X509_VERIFY_PARAM_set_flags(parameters, UInt(flags))
        unsafe X509_VERIFY_PARAM_set_auth_level(parameters, 0)
        defer { OpenSSLErrors.drain() }
        return unsafe X509_verify_cert(context.pointer) == 1
    }
}
