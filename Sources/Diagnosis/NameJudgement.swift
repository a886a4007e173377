import Renewal

/// Whether names lead anywhere.
enum NameJudgement {
    /// - Parameter isSilent: whether the resolver has answered for no name at all; that is reported once.
    static func findings(
        _ addresses: NameAddresses, of name: String, lineage: String, by resolver: String, isSilent: Bool = false
    ) -> Findings {
        var findings = Findings()
        let place = "\(name) (by \(resolver))"
        switch addresses {
        case .found: break
        case .none(let words):
            findings.fail(
                .nameUnresolved, lineage, at: place, "\(name) has no address: \(words)", .nameUnresolved(name))
        case .unanswered(let words):
            findings.skip([.nameUnresolved, .addressesDiffer], lineage, at: place, because: words)
        }
        findings.pass(isSilent ? [] : [.nameUnresolved], lineage, at: place)
        return findings
    }

    /// Whether there is a resolver at all: without one a CA's name has no address either, and nothing can be renewed.
    ///
    /// - Parameter answers: what each name has come to.
    static func findings(_ answers: [NameAddresses], by resolver: String, isNamed: Bool) -> Findings {
        var findings = Findings()
        let words = answers.compactMap { answer -> String? in
            if case .unanswered(let words) = answer { words } else { nil }
        }
        guard !answers.isEmpty else { return findings }
        if words.count == answers.count {
            findings.fail(
                .resolverSilent, at: resolver, "no name could be looked up by \(resolver): \(words[0])",
                .resolverSilent(configured: isNamed))
        } else if let first = words.first {
            findings.warn(
                .resolverSilent, at: resolver,
                "\(words.count) of \(answers.count) names could not be looked up by \(resolver): \(first)",
                .resolverSilent(configured: isNamed))
        }
        findings.pass([.resolverSilent], at: resolver)
        return findings
    }
}

/// What a name's CAA records say of its CA.
enum CAALook: Sendable {
    /// No name up to the root has any, or what they say.
    case answered(CAAPolicy?)
    case unanswered(String)
}

enum CAAJudgement {
    /// Names by which CAA records mean a CA, by its directory's host; the CA's own `caaIdentities` go before.
    static let known: [(host: String, identities: Set<String>)] = [
        ("letsencrypt.org", ["letsencrypt.org"]), ("pki.goog", ["pki.goog"]), ("zerossl.com", ["sectigo.com"]),
        ("sectigo.com", ["sectigo.com"]), ("buypass.com", ["buypass.com"]), ("ssl.com", ["ssl.com"]),
    ]

    /// The identities of a CA without asking it.
    static func identities(ofServer server: String) -> Set<String>? {
        let host = server.dropFirst("https://".count).prefix { $0 != "/" && $0 != ":" }
        return known.first { host == $0.host || host.hasSuffix(".\($0.host)") }?.identities
    }

    static func findings(
        _ look: CAALook, of name: String, lineage: String, by resolver: String, identities: Set<String>?,
        server: String,
        account: String?, method: String = "http-01", isWildcard: Bool = false
    ) -> Findings {
        var findings = Findings()
        let place = "CAA of \(name) (by \(resolver))"
        switch look {
        case .unanswered(let words): findings.skip([.caaForbids], lineage, at: place, because: words)
        case .answered(nil): break
        case .answered(let policy?):
            guard let identities, !identities.isEmpty else {
                findings.skip(
                    [.caaForbids], lineage, at: place,
                    because:
                        "\(policy.owner) has CAA records, and by which name they mean \(server) only its directory tells: use --ca"
                )
                break
            }
            if let refusal = policy.refusal(
                for: identities, account: account, method: method, isWildcard: isWildcard)
            {
                findings.fail(
                    .caaForbids, lineage, at: place, refusal,
                    .caaForbids(
                        owner: policy.owner, tag: isWildcard ? "issuewild" : "issue", identity: identities.sorted()[0]))
            }
        }
        findings.pass([.caaForbids], lineage, at: place)
        return findings
    }
}
