import FoundationEssentials
package import Lineages
import Deployment
import PKI

extension RenewalRun {
    /// Tries the whole exchange for lineages, due or not, and keeps nothing but the CA's account.
    ///
    /// - Parameters:
    ///   - server: the CA to try; without it Let's Encrypt's staging directory for a lineage of Let's Encrypt, and else the
    ///     lineage's own.
    ///   - runsDeployHooks: whether the deploy hooks run, too, with the certificate that is live.
    ///   - host: this host's name, for a new account's record.
    package func dryRun(
        _ lineages: [Lineage], server: String?, runsDeployHooks: Bool, named: Bool, host: String
    ) async -> RunReport {
        var run = RunReport()
        await payDebts(&run)
        var (succeeded, failed): ([String], [String]) = ([], [])
        for lineage in lineages {
            if Task.isCancelled { break }
            let outcome = await dryRun(
                lineage, server: server, runsDeployHooks: runsDeployHooks, named: named, host: host, &run)
            run.outcomes.append((lineage.name, outcome))
            let names = lineage.certificate?.names.map(\.description) ?? []
            switch outcome {
            case .tried: succeeded += names
            case .failed: failed += names
            default: break
            }
        }
        run.hookFailures += await hooks.post(renewedDomains: succeeded, failedDomains: failed).failures
        run.wasInterrupted = Task.isCancelled
        return run
    }

    private func dryRun(
        _ lineage: Lineage, server: String?, runsDeployHooks: Bool, named: Bool, host: String, _ run: inout RunReport
    ) async -> LineageOutcome {
        let name = lineage.name
        func failed(_ stage: RenewalFailure.Stage, _ cause: any Error) -> LineageOutcome {
            let failure = RenewalFailure(stage, cause)
            report(.failed(name: name, failure))
            return .failed(failure)
        }
        if let problem = lineage.fatalProblem { return failed(.preparation, problem) }
        if let reason = lineage.reasonUnmanaged {
            if named { return failed(.preparation, Unmanaged(reason: reason)) }
            report(.leftAlone(name: name, because: reason))
            return .leftAlone(because: reason)
        }
        guard let options = lineage.options, let paths = lineage.paths else {
            return failed(.preparation, RenewalRun.incomplete(lineage))
        }
        do {
            let certification = try Certification(renewing: lineage, challengeSettings(for: name))
            report(.started(name: name, names: certification.names, because: "dry run"))
            let commands = HookCommands(options)
            if let first = await hooks.pre(conf: commands.pre, post: commands.post).first {
                run.hookFailures.append(first)
                return failed(.preparation, first)
            }
            let target = server ?? RenewalRun.stagingServer(for: options.server)
            // Whoever has an account at the CA has agreed to the terms that its staging directory shows as well.
            let registration = try await authorities.registration(
                at: target, account: target == options.server ? options.account : nil, email: nil, agreeToTerms: true,
                host: host)
            let set = try await certification.rehearse(client: registration.client, now: now()) { [report] in
                report(.step(name: name, $0))
            }
            report(.tried(name: name, server: target, set.leaf))
            if runsDeployHooks {
                let domains = certification.names.map(\.description)
                run.hookFailures += await hooks.deploy(
                    conf: commands.deploy, domains: domains, lineage: paths.live
                ).failures
            }
            return .tried
        } catch {
            return failed(.issuance, error)
        }
    }

    private static func stagingServer(for server: String) -> String {
        server == RenewalOptions.defaultServer ? RenewalOptions.stagingServer : server
    }
}
