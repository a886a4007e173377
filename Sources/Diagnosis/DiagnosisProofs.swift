import ACME
import Challenges
import Deployment
import FoundationEssentials
import Glibc
import HTTP
import Lineages
import PKI
import Renewal
import Setup

/// The ways of proof besides the webroot: DNS plugins and programs, certctl's own listener, the rule of nginx.
extension Diagnosis {
    /// How long a plugin may take to be loaded.
    private static let pluginTimeout: Duration = .seconds(15)
    /// As many records as are looked at of one lineage.
    private static let mostRecords = 20

    /// What is wrong with them, and what was looked at.
    func proofs(_ subjects: [Subject]) async -> Findings {
        let all = await sideBySide(subjects, most: 4) { subject -> Findings in
            guard subject.lineage.reasonUnmanaged == nil, let options = subject.lineage.options else {
                return Findings()
            }
            var findings = Findings()
            for method in options.proof.methods {
                let names = subject.allNames.filter { options.proof.method(for: $0) == method }
                guard !names.isEmpty else { continue }
                findings += await proof(method, of: subject, names)
            }
            return findings
        }
        var findings = all.reduce(into: Findings()) { $0 += $1 }
        portOfService(&findings)
        return findings
    }

    private func proof(_ method: ProofMethod, of subject: Subject, _ names: [SubjectName]) async -> Findings {
        var findings = Findings()
        let name = subject.lineage.name
        switch method {
        case .webroot: break
        case .stateless: findings += await stateless(subject, names)
        case .standalone(let address, let port):
            let place = "port \(port)"
            // What a hook stops is there at this moment.
            let hasPreHook =
                subject.lineage.options?.preHook != nil
                || !HookDirectory(configDirectory: host.treePath).list(.pre).hooks.isEmpty
            guard geteuid() == 0 || port >= 1024 else {
                findings.skip([.standalonePortTaken], name, at: place, because: "root alone can listen there")
                break
            }
            if let obstacle = await StandaloneSolver.obstacle(address: address, port: port), !hasPreHook {
                let fault =
                    obstacle.isTaken
                    ? ProofFault.portTaken(port: port, holder: obstacle.holder)
                    : ProofFault.portUnusable(obstacle.reason)
                fault.add(to: &findings, name, at: place)
            }
            findings.pass([.standalonePortTaken], name, at: place)
        case .certbotPlugin, .manualHooks, .program:
            findings += await credentials(method, name)
            if case .certbotPlugin(let plugin, let options) = method {
                findings += await self.plugin(plugin, options, name)
            }
            findings += await records(names.filter { method.challengeType(for: $0) == "dns-01" }, subject)
        }
        return findings
    }

    private func credentials(_ method: ProofMethod, _ lineage: String) async -> Findings {
        var findings = Findings()
        guard let path = method.credentials else { return findings }
        do throws(FileError) {
            if let status = try FileSystem.status(path, followingLinks: true) {
                if status.mode & 0o004 != 0 {
                    ProofFault.credentialsReadable(path: path, mode: status.mode).add(to: &findings, lineage, at: path)
                }
            } else {
                ProofFault.credentialsMissing(path: path, of: method.title).add(to: &findings, lineage, at: path)
            }
            findings.pass([.credentialsMissing, .credentialsReadable], lineage, at: path)
        } catch {
            findings.skip(
                [.credentialsMissing, .credentialsReadable], lineage, at: path, because: "\(error)")
        }
        return findings
    }

    /// Has the plugin loaded, and its credentials read, as a renewal would; nothing is asked of anybody.
    private func plugin(_ plugin: String, _ options: [String: String], _ lineage: String) async -> Findings {
        var findings = Findings()
        let place = "certbot's plugin \(plugin)"
        guard geteuid() == 0 else {
            findings.skip([.pluginUnusable], lineage, at: place, because: "credentials can be read by root alone")
            return findings
        }
        do {
            let program = try SolverProgram(certbotPlugin: plugin, options: options, host.settings.challenges)
            try await program.check(within: budget.time(Diagnosis.pluginTimeout))
        } catch let failure as SolverProgram.Failure where failure.isCredentials {
            // Told of the file itself.
        } catch {
            ProofFault.pluginUnusable("\(error)", of: plugin).add(to: &findings, lineage, at: place)
        }
        findings.pass([.pluginUnusable], lineage, at: place)
        return findings
    }

    private func records(_ names: [SubjectName], _ subject: Subject) async -> Findings {
        var dns = host.settings.challenges.dns
        dns.resolver = host.resolver ?? dns.resolver
        let own = Set(
            names.map { name -> String in
                let text = name.description
                return ChallengeDNS.ownRecord(of: name.isWildcard ? String(text.dropFirst(2)) : text)
            }
        ).sorted()
        let isIdle = subject.state?.acquisition.order == nil
        let looks = await sideBySide(Array(own.prefix(Diagnosis.mostRecords)), most: 4) {
            [budget, dns] record -> Findings in
            await timed(budget.time(.seconds(15))) {
                await Diagnosis.record(record, dns, subject.lineage.name, isIdle: isIdle)
            }
                ?? {
                    var findings = Findings()
                    findings.skip(Diagnosis.recordIDs, subject.lineage.name, at: record, because: "the time was up")
                    return findings
                }()
        }
        return looks.reduce(into: Findings()) { $0 += $1 }
    }

    private static let recordIDs: [CheckID] = [
        .challengeRecordLoop, .zoneNotDelegated, .challengeRecordStale, .challengeRecordDiffers,
    ]

    private static func record(_ own: String, _ dns: ChallengeDNS, _ lineage: String, isIdle: Bool) async -> Findings {
        var findings = Findings()
        let record: String
        do throws(ChallengeDNS.Failure) {
            record = try await dns.followed(own)
        } catch {
            if error.isLoop {
                ProofFault.recordLoop(error.description).add(to: &findings, lineage, at: own)
            } else {
                findings.skip(recordIDs, lineage, at: own, because: error.description)
            }
            return findings
        }
        let found: (zone: String, servers: [ChallengeDNS.Authority])
        do throws(ChallengeDNS.Failure) {
            found = try await dns.authorities(of: record)
        } catch {
            if error.isAnswer {
                ProofFault.zoneNotDelegated(record: record, error.description).add(to: &findings, lineage, at: own)
            } else {
                findings.skip(recordIDs, lineage, at: own, because: error.description)
            }
            return findings
        }
        var held: [(server: String, texts: [String])] = []
        for server in found.servers {
            if case .texts(let texts) = await dns.texts(of: record, at: server) {
                held.append((server.description, texts.sorted()))
            }
        }
        if isIdle, let first = held.first(where: { !$0.texts.isEmpty }) {
            ProofFault.recordStale(record: record, values: first.texts.count, server: first.server)
                .add(to: &findings, lineage, at: own)
        }
        if Set(held.map(\.texts)).count > 1 {
            ProofFault.serversDisagree(
                record: record, servers: held.map { "\($0.server): \($0.texts.count) values" }
            ).add(to: &findings, lineage, at: own)
        }
        findings.pass(recordIDs, lineage, at: own)
        return findings
    }

    /// Asks this host's own web server for a token of no order.
    private func stateless(_ subject: Subject, _ names: [SubjectName]) async -> Findings {
        var findings = Findings()
        let lineage = subject.lineage.name
        guard let options = subject.lineage.options, let name = names.first else { return findings }
        let place = "http://\(name)/.well-known/acme-challenge/"
        let store = AccountStore(configDirectory: host.treePath)
        guard let account = try? store.account(for: options.server, id: options.account),
            let thumbprint = try? JSONWebKey(account.key).thumbprint()
        else {
            findings.skip([.statelessWrong], lineage, at: place, because: "the account's key cannot be read")
            return findings
        }
        let token = "certctl-doctor-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        do throws(HTTPError) {
            let response = try await host.transport.send(
                HTTPRequest(
                    url: place + token, timeout: budget.time(.seconds(5)), largestBody: 65_536,
                    connectTo: "127.0.0.1:\(host.settings.httpPort)"))
            let text = String(decoding: response.body.prefix(200), as: UTF8.self)
            if response.status != 200 || text.split(whereSeparator: \.isWhitespace) != ["\(token).\(thumbprint)"] {
                ProofFault.statelessWrong(place: place, answer: response.status == 200 ? text : "\(response.status)")
                    .add(to: &findings, lineage, at: place)
            }
            findings.pass([.statelessWrong], lineage, at: place)
        } catch {
            ProofFault.statelessWrong(place: place, answer: "nothing (\(error.detail))")
                .add(to: &findings, lineage, at: place)
        }
        return findings
    }

    /// Whether the service's sandbox lets it listen where lineages need it, and nowhere else.
    private func portOfService(_ findings: inout Findings) {
        guard host.settings.timer != nil else { return }
        // Of all certificates, also where some are named.
        guard let all = try? host.tree?.lineages() else { return }
        let wanted = PortDropIn(all)
        let isThere = (try? FileSystem.status(PortDropIn.path, followingLinks: true)) != nil
        let isInstalled = ["/etc", "/usr/lib", "/lib"].contains {
            (try? FileSystem.status("\($0)/systemd/system/certctl.service", followingLinks: true)) != nil
        }
        guard isInstalled, isThere || !wanted.lineages.isEmpty, !wanted.isCurrent() else { return }
        ProofFault.portNotOpened(lineages: wanted.lineages).add(to: &findings, nil, at: PortDropIn.path)
    }
}
