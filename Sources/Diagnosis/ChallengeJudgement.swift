import Lineages
import Renewal

/// Whether a CA would find a challenge's answer.
enum ChallengeJudgement {
    static let ids: [CheckID] = [
        .httpNotListening, .challengeRedirected, .webrootUnreadable, .challengeDenied, .challengeLocationMissing,
        .challengeUnreachable, .wrongServer, .addressesDiffer,
        .proxyProtocol,
    ]

    /// - Parameters:
    ///   - port: the port of http.
    ///   - isListening: whether any process listens there; nil where that could not be seen.
    ///   - stopped: what has to be started where nothing listens.
    static func findings(
        _ facts: ChallengeFacts, port: Int, isListening: Bool?, stopped: StoppedServer = .unknown
    ) -> Findings {
        var findings = Findings()
        let place = "http://\(facts.name)/.well-known/acme-challenge/"
        let own = facts.local + facts.fromOutside.filter(\.isOwn)
        let answering = own.filter { if case .none = $0.first { false } else { true } }
        let right = (facts.local + facts.fromOutside).filter(\.hasContent)

        if answering.isEmpty {
            judgeSilence(facts, own, port, isListening, stopped, place, &findings)
        } else if let served = own.first(where: \.hasContent) ?? answering.first, !served.hasContent {
            judge(served, facts, place, &findings)
        }
        if !answering.isEmpty { judgeFamilies(facts, port, place, &findings) }
        judgeProxyProtocol(facts, place, &findings)
        judgeAddresses(facts, isRightHere: own.contains(where: \.hasContent), right: right, place, &findings)
        findings.pass(ids, facts.lineage, at: place)
        return findings
    }

    private static func judgeSilence(
        _ facts: ChallengeFacts, _ own: [ChallengeAnswer], _ port: Int, _ isListening: Bool?, _ stopped: StoppedServer,
        _ place: String, _ findings: inout Findings
    ) {
        let refused = own.compactMap { answer -> String? in
            if case .none(let words, _) = answer.first { "\(answer.place): \(words)" } else { nil }
        }
        let words = refused.first ?? "no address answers"
        let isSilent = own.contains { if case .none(_, isRefused: false) = $0.first { true } else { false } }
        if isSilent, let closing = facts.server?.closing {
            findings.fail(
                .challengeDenied, facts.lineage, at: place,
                "nginx ends the connection without an answer: \(closing.text) at \(closing.place)",
                fault(closing, facts))
        } else if isSilent {
            findings.fail(
                .challengeUnreachable, facts.lineage, at: place,
                "what listens on port \(port) of this host does not answer: \(words)", .httpSilent(port: port))
        } else if isListening == true {
            findings.warn(
                .challengeUnreachable, facts.lineage, at: place,
                "something listens on port \(port), but not on an address that could be tried from here: \(words)")
        } else if !facts.fromOutside.contains(where: \.hasContent) {
            findings.fail(
                .httpNotListening, facts.lineage, at: place, "nothing listens on port \(port): \(words)",
                .httpNotListening(stopped))
        }
    }

    /// This host's own server answers, and not with the file.
    private static func judge(
        _ answer: ChallengeAnswer, _ facts: ChallengeFacts, _ place: String, _ findings: inout Findings
    ) {
        guard case .other(let status, _, _) = answer.first else { return }
        if let target = answer.redirects.last {
            let end =
                switch answer.last {
                case .other(let status, _, _)?: "which answers \(status)"
                case .none(let words, _)?: "which does not answer: \(words)"
                case .content?, nil: answer.whyNotFollowed ?? "which was not followed"
                }
            let evidence = "\(answer.place) redirects the challenge path to \(short(target, facts)), \(end)"
            if facts.notWritten != nil, answer.redirects.allSatisfy({ $0.contains("/.well-known/acme-challenge/") }) {
                findings.skip([.challengeRedirected], facts.lineage, at: place, because: evidence)
                return
            }
            findings.fail(
                .challengeRedirected, facts.lineage, at: place, evidence,
                facts.server?.ownReturn.map { fault($0, facts) } ?? replacedOwn(facts)
                    ?? .challengeRedirected(
                        webroot: facts.server?.webroot ?? facts.webroot, server: facts.server?.place))
            return
        }
        if let reason = facts.notWritten {
            findings.skip(
                [.challengeLocationMissing, .webrootUnreadable], facts.lineage, at: place,
                because: "no file could be put into the webroot: \(reason)")
            return
        }
        if [403, 404].contains(status), let obstacle = facts.obstacle {
            findings.fail(
                .webrootUnreadable, facts.lineage, at: place,
                "\(answer.place) answers \(status): nginx's user cannot read the webroot: \(obstacle)",
                .webrootUnreadable(path: String(obstacle.prefix { $0 != " " })))
            return
        }
        let evidence = "\(answer.place) answers \(status) for a file that is in \(facts.webroot)"
        let webroot = facts.server?.webroot ?? facts.webroot
        if [429, 503].contains(status), let limit = facts.server?.limit {
            findings.fail(
                .challengeDenied, facts.lineage, at: place,
                "\(evidence): \(limit.place) limits requests: \(limit.text)",
                .challengeLimited(directive: limit.text, at: limit.place))
            return
        }
        if status == 401, let password = facts.server?.password {
            let own = facts.server?.location.flatMap { $0.isForChallenges ? $0 : nil }
            findings.fail(
                .challengeDenied, facts.lineage, at: place,
                "\(evidence): \(password.text) at \(password.place) asks for a password",
                own.flatMap { $0.hasPassword ? replaced($0, facts) : nil }
                    ?? .challengePassword(location: own?.place, webroot: webroot))
            return
        }
        if let own = facts.server?.ownReturn, own.text.contains("return \(status)") {
            findings.fail(
                .challengeDenied, facts.lineage, at: place,
                "\(evidence): the server's own \(own.text) at \(own.place) comes before every location",
                fault(own, facts))
            return
        }
        guard let location = facts.server?.location else {
            findings.fail(
                .challengeLocationMissing, facts.lineage, at: place, evidence,
                .challengeLocation(webroot: webroot, server: facts.server?.place))
            return
        }
        if let refusal = location.refusal, status != 404 {
            findings.fail(
                .challengeDenied, facts.lineage, at: place,
                "\(evidence): \(location.text) at \(location.place) says \(refusal)",
                location.isForChallenges
                    ? .challengeLimited(directive: refusal, at: location.place)
                    : replacedOwn(facts)
                        ?? .challengeDenied(
                            directive: "\(location.text) { \(refusal); }", at: location.place, webroot: webroot))
        } else if location.isForChallenges {
            findings.fail(
                .challengeLocationMissing, facts.lineage, at: place,
                "\(evidence): \(location.text) at \(location.place) has \(location.root ?? "no root")",
                // With the right root, or none at all, something else in it answers: try_files, if, return, proxy_pass.
                location.root.map { $0 == "root \(webroot)" } ?? true
                    ? replaced(location, facts)
                    : .challengeRoot(directive: location.root.map { "\($0);" }, at: location.place, webroot: webroot))
        } else {
            findings.fail(
                .challengeLocationMissing, facts.lineage, at: place, evidence,
                replacedOwn(facts)
                    ?? .challengeLocation(webroot: webroot, server: facts.server?.place))
        }
    }

    /// A location for challenges that does not serve them: nginx would refuse a second one.
    private static func replaced(_ location: ChallengeServer.Location, _ facts: ChallengeFacts) -> Fault {
        .challengeReplaced(
            location: location.text, at: location.place, webroot: facts.server?.webroot ?? facts.webroot,
            isOpen: location.hasPassword)
    }

    private static func replacedOwn(_ facts: ChallengeFacts) -> Fault? { facts.server?.own.map { replaced($0, facts) } }

    /// A `return` that has to make room for the challenge path.
    private static func fault(_ directive: ChallengeServer.Location, _ facts: ChallengeFacts) -> Fault {
        .challengeReturned(
            directive: directive.text, at: directive.place, webroot: facts.server?.webroot ?? facts.webroot)
    }

    /// One family that takes connections and never answers, while the other one works: a CA may take either.
    private static func judgeFamilies(
        _ facts: ChallengeFacts, _ port: Int, _ place: String, _ findings: inout Findings
    ) {
        for answer in facts.local {
            let isV6 = answer.place.hasPrefix("[")
            guard case .none(let words, isRefused: false) = answer.first,
                facts.fromOutside.contains(where: { $0.place.hasPrefix("[") == isV6 })
            else { continue }
            findings.fail(
                .challengeUnreachable, facts.lineage, at: place,
                "\(answer.place) takes connections and does not answer: \(words); \(facts.name) has an \(isV6 ? "IPv6" : "IPv4") address, and a CA may take either",
                .httpSilent(port: port))
        }
    }

    /// No CA speaks the PROXY protocol. Behind a load balancer the name's addresses are not this host's own.
    private static func judgeProxyProtocol(_ facts: ChallengeFacts, _ place: String, _ findings: inout Findings) {
        let direct = facts.fromOutside.first {
            $0.wantsProxyHeader && !$0.place.hasPrefix("127.") && !$0.place.hasPrefix("[::1]")
        }
        guard facts.isOfDNS, let direct else { return }
        findings.fail(
            .proxyProtocol, facts.lineage, at: place,
            "\(facts.name) has the address \(direct.place) of this host, where nginx answers to the PROXY protocol alone, which no CA speaks",
            .proxyProtocolDirect(name: facts.name, server: facts.server?.place))
    }

    /// The addresses of the name beside this host's own answer.
    private static func judgeAddresses(
        _ facts: ChallengeFacts, isRightHere: Bool, right: [ChallengeAnswer], _ place: String,
        _ findings: inout Findings
    ) {
        guard facts.notWritten == nil, isRightHere || !right.isEmpty else { return }
        let wrong = facts.fromOutside.filter { !$0.hasContent }
        let rightV4 = facts.fromOutside.contains { $0.hasContent && !$0.place.hasPrefix("[") }
        for answer in wrong {
            let isV6 = answer.place.hasPrefix("[")
            switch answer.first {
            case .content: continue
            case .none(let words, let isRefused):
                let evidence =
                    "\(facts.name) has the address \(answer.place), which does not answer from here: \(words)"
                if isV6, rightV4, answer.isOwn, isRefused {
                    findings.fail(
                        .addressesDiffer, facts.lineage, at: place,
                        evidence + "; its IPv4 address does, and CAs try IPv6 first",
                        .addressRefused(facts.name, family: "AAAA"))
                } else if answer.isOwn, isRefused {
                    findings.fail(
                        .httpNotListening, facts.lineage, at: place, evidence,
                        .familyNotListening(address: answer.place))
                } else if answer.isOwn {
                    findings.fail(
                        .challengeUnreachable, facts.lineage, at: place,
                        evidence + "; a CA may take any of its addresses",
                        .httpSilent(port: answer.place.split(separator: ":").last.flatMap { Int($0) } ?? 80))
                } else {
                    findings.warn(
                        .challengeUnreachable, facts.lineage, at: place,
                        evidence + "; behind NAT that can be so although CAs reach it")
                }
            case .other(let status, let location, let server):
                let seen =
                    "answers \(status)" + (location.map { " to \(short($0, facts))" } ?? "")
                    + (server.map { " (Server: \($0))" } ?? "")
                let evidence = "\(facts.name) has the address \(answer.place), where another server \(seen)"
                if isV6, rightV4 {
                    findings.fail(
                        .addressesDiffer, facts.lineage, at: place,
                        evidence + "; its IPv4 address leads here, and CAs try IPv6 first",
                        .wrongAddress(facts.name, family: "AAAA"))
                } else if answer.isOwn || !facts.isBehindNAT {
                    findings.fail(
                        .wrongServer, facts.lineage, at: place, evidence,
                        .wrongAddress(facts.name, family: isV6 ? "AAAA" : "A"))
                } else {
                    findings.warn(
                        .wrongServer, facts.lineage, at: place,
                        evidence + "; from behind NAT that may be the router itself",
                        .wrongAddress(facts.name, family: isV6 ? "AAAA" : "A"))
                }
            }
        }
    }

    private static func short(_ url: String, _ facts: ChallengeFacts) -> String {
        guard let token = url.firstRange(of: "certctl-doctor-") else { return url }
        return url[..<token.lowerBound] + "…"
    }
}
