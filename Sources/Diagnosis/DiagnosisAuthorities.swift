import Challenges
import FoundationEssentials
import HTTP
import Lineages
import PKI
import Renewal

extension Diagnosis {
    /// Accounts, CAA and, where they may be asked, the CAs themselves.
    ///
    /// - Returns: the clocks of those that were asked, beside what was found.
    func authorities(_ subjects: [Subject], _ tree: Tree) async -> (Findings, [ClockFacts.Other]) {
        let found = self.accounts(subjects, tree)
        var findings = found.findings
        var facts: [String: CAFacts] = [:]
        if host.asksCA {
            let probe = CAProbe(transport: host.transport, budget: budget)
            let servers = found.byServer.sorted { $0.key < $1.key }
            let failures = registrationFailures
            for answer in await sideBySide(servers, { await probe.facts($0.key, accounts: $0.value) }) {
                facts[answer.server] = answer
                findings += CAJudgement.findings(answer, failure: failures[answer.server])
            }
        } else {
            findings.skip(
                CAJudgement.ids.filter { $0 != .rateLimited }, at: "the CA", because: "not asked without --ca")
        }
        findings += await caa(subjects, found.accounts, facts)
        let clocks = facts.values.compactMap { facts in
            facts.clock.map { ClockFacts.Other(name: facts.server, date: $0.date, here: $0.here) }
        }
        return (findings, clocks)
    }

    /// The accounts of each certificate's CA: what is wrong with them, those of certificates by name, and those of each CA.
    func accounts(
        _ subjects: [Subject], _ tree: Tree
    ) -> (findings: Findings, accounts: [String: StoredAccount], byServer: [String: [StoredAccount]]) {
        var findings = Findings()
        let store = AccountStore(configDirectory: tree.path)
        var accounts: [String: StoredAccount] = [:]
        let failures = registrationFailures
        var read: [String: Result<StoredAccount?, AccountError>] = [:]
        var byServer: [String: [StoredAccount]] = [:]
        for subject in subjects where subject.lineage.reasonUnmanaged == nil {
            guard let options = subject.lineage.options else { continue }
            // Many lineages share an account, and reading a key takes its time.
            let key = "\(options.server) \(options.account ?? "")"
            let result =
                read[key]
                ?? Result { () throws(AccountError) in try store.account(for: options.server, id: options.account) }
            read[key] = result
            findings += RenewalJudgement.account(
                result, of: subject.lineage, server: options.server, failure: failures[options.server])
            byServer[options.server, default: []] += []
            guard case .success(let account?) = result else { continue }
            accounts[subject.lineage.name] = account
            if byServer[options.server]?.contains(where: { $0.id == account.id }) != true {
                byServer[options.server, default: []].append(account)
            }
        }
        return (findings, accounts, byServer)
    }

    /// Registrations that have failed of late, by the CA's directory URL.
    var registrationFailures: [String: RegistrationFailure] {
        StateStore(stateDirectory: host.stateDirectory).registrationFailures.filter { $0.value.isRecent(at: host.now) }
    }

    /// What this host has with the latest date in it.
    var newest: ClockFacts.Dated? {
        let certificates = host.lineages.compactMap { lineage in
            lineage.certificate.map {
                ClockFacts.Dated(what: "the certificate of \(lineage.name)", date: $0.notBefore)
            }
        }
        let run = StateStore(stateDirectory: host.stateDirectory).lastRun.map {
            ClockFacts.Dated(what: "certctl's last run", date: $0.at)
        }
        return (certificates + [run].compactMap(\.self)).max { $0.date < $1.date }
    }

    private struct Question: Sendable {
        let lineage: String
        let name: String
        let server: String
        /// By which challenge it is proven: CAA records may say which (RFC 8657).
        let method: String
        var isWildcard: Bool { name.hasPrefix("*.") }
    }

    private func caa(_ subjects: [Subject], _ accounts: [String: StoredAccount], _ facts: [String: CAFacts]) async
        -> Findings
    {
        var findings = Findings()
        var questions: [Question] = []
        for subject in subjects {
            guard let server = subject.lineage.options?.server else { continue }
            for case .dns(let name) in subject.allNames.prefix(100) {
                let proof = subject.lineage.options?.proof
                let method = SubjectName(name).flatMap { proof?.method(for: $0)?.challengeType(for: $0) } ?? "http-01"
                questions.append(
                    Question(lineage: subject.lineage.name, name: name, server: server, method: method))
            }
        }
        let conf = (try? FileSystem.read("/etc/resolv.conf")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        guard let server = host.resolver ?? DNSServer.ofSystem(conf) else {
            findings.skip([.caaForbids], at: "CAA", because: "/etc/resolv.conf names no server: use --resolver")
            return findings
        }
        let budget = budget
        // A name may be in several lineages.
        let names = Array(Set(questions.map(\.name))).sorted()
        let looks = await sideBySide(names) { name -> CAALook in
            let limit = budget.time(DNSServer.timeout)
            let look = await OffThread.value(within: limit) { CAALook(name, server, within: limit) }
            return look ?? .unanswered("\(server) did not answer")
        }
        let answers = Dictionary(uniqueKeysWithValues: zip(names, looks))
        for question in questions {
            findings += CAAJudgement.findings(
                answers[question.name, default: .unanswered("it was not asked")], of: question.name,
                lineage: question.lineage, by: "DNS server \(server)",
                identities: facts[question.server]?.identities ?? CAAJudgement.identities(ofServer: question.server),
                server: question.server, account: accounts[question.lineage]?.url, method: question.method,
                isWildcard: question.isWildcard)
        }
        return findings
    }
}

extension CAALook {
    /// Asks for a name and the names above it. Waits on the calling thread.
    init(_ name: String, _ server: DNSServer, within limit: Duration) {
        let end = ContinuousClock.now + limit
        do {
            self = .answered(
                try CAAPolicy.policy(of: name) { owner in
                    let left = max(.milliseconds(1), end - .now)
                    let answer = try server.ask(owner, .caa, within: left)
                    guard [0, 3].contains(answer.code) else {
                        throw DNSServer.Failure(
                            description: "\(server) says error \(answer.code) for the CAA records of \(owner)")
                    }
                    return answer
                })
        } catch {
            self = .unanswered("\(error)")
        }
    }
}
