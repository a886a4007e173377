import Challenges
import Deployment
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// What endpoints serve, and where nginx's configuration says so.
extension Diagnosis {
    /// What was seen at each subject's endpoints; nil in nil where its time was up, nil where there is nothing to look at.
    func served(_ subjects: [Subject]) async -> [ProbeReport??] {
        let (budget, settings) = (budget, host.settings.conf)
        return await sideBySide(subjects, most: 16) { subject -> ProbeReport?? in
            guard subject.verification != nil else { return .some(nil) }
            guard !budget.isOver else { return nil }
            return await timed(budget.time(.seconds(20))) {
                await Verification().look(at: subject.lineage, state: subject.state, host: settings)
            }
        }
    }

    func judged(_ reports: [ProbeReport??], _ subjects: [Subject], _ tree: Tree, _ web: WebFacts) async -> Findings {
        let (budget, now) = (budget, host.now)
        let wrong = zip(subjects, reports).flatMap { subject, report -> [WrongEndpoint] in
            guard let certificate = subject.lineage.certificate, let paths = subject.lineage.paths else { return [] }
            return ((report ?? nil)?.observations ?? []).filter(\.isWrong).map {
                WrongEndpoint(
                    place: $0.target, verdict: $0.verdict, expected: certificate, live: paths.live,
                    hasProxyHeader: subject.verification?.proxyProtocol.contains($0.target.endpoint) ?? false)
            }
        }
        var sources: [ProbeTarget: ServedSource] = [:]
        if !wrong.isEmpty {
            let lineages = (try? tree.lineages()) ?? []
            let index = await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) { LeafIndex(lineages) }
            let found = await sideBySide(Array(wrong.prefix(Diagnosis.mostNames))) { endpoint -> ServedSource? in
                let (leaf, isOtherWay) = await endpoint.leaf(within: budget.time(.seconds(5)))
                if isOtherWay { return .proxyProtocol(isExpected: !endpoint.hasProxyHeader) }
                return await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) {
                    ServedSource(
                        leaf, name: endpoint.place.name, port: endpoint.place.endpoint.port,
                        expected: endpoint.expected, live: endpoint.live, index: index ?? LeafIndex([]), web.nginx)
                }
            }
            for (endpoint, source) in zip(wrong, found) { sources[endpoint.place] = source }
        }
        var findings = Findings()
        for (subject, report) in zip(subjects, reports) {
            guard let report else {
                findings.skip(ServedJudgement.ids, subject.lineage.name, at: "endpoints", because: "the time was up")
                continue
            }
            var around = ServedJudgement.Surroundings()
            (around.sources, around.hasDocker) = (sources, web.hasDocker)
            around.listeners = web.listeners
            around.server = web.nginx.first?.place ?? .host
            if let run = deployment(triedFor: subject) {
                (around.isTried, around.restart) = (true, nextCause(after: run, subject, tree, web))
            }
            findings += ServedJudgement.findings(
                report, subject.lineage, installed: subject.lineage.certificate?.serial, around, at: now)
        }
        return findings
    }

    private struct WrongEndpoint: Sendable {
        let place: ProbeTarget
        let verdict: Verdict
        let expected: Certificate
        let live: String
        /// Whether it was probed with a header of the PROXY protocol.
        let hasProxyHeader: Bool

        /// What it serves, and whether that is so because it was asked the other way, with a header of the PROXY protocol or without.
        func leaf(within limit: Duration) async -> (leaf: Certificate?, isOtherWay: Bool) {
            let isBroken = if case .broken = verdict { true } else { false }
            let found = await TLSProbe(timeout: limit).leaf(
                at: place.endpoint, serverName: place.name, hasProxyHeader: hasProxyHeader != isBroken)
            guard case .leaf(let leaf, _) = found else { return (nil, false) }
            return (leaf, isBroken)
        }
    }

    /// The run that has deployed what is installed, all hooks with success, without that it was served; nil where there is none.
    private func deployment(triedFor subject: Subject) -> LastRun? {
        guard let live = subject.state?.host.live, let rollout = live.rollout, rollout.trouble != nil,
            rollout.failedHooks.isEmpty, rollout.deployedAt != nil, let installed = live.version,
            let run = StateStore(stateDirectory: host.stateDirectory).lastRun,
            run.command == "deploy", run.exitCode != 0, run.at >= installed.at
        else { return nil }
        return run
    }

    /// What is left where hooks end well and nginx does not serve it: the hook that reloads nginx, then nginx itself.
    private func nextCause(after run: LastRun, _ subject: Subject, _ tree: Tree, _ web: WebFacts) -> String? {
        let directory = HookDirectory(configDirectory: tree.path)
        let hasOurs = [Hook.Kind.deploy, .post].contains { kind in
            directory.list(kind).hooks.contains { $0.name == "reload-nginx" }
        }
        if !hasOurs, subject.lineage.options?.directoryHooks ?? true {
            return "certctl setup --yes && certctl deploy \(subject.lineage.name.shellWord)"
        }
        let old = web.nginx.filter { nginx in nginx.startedAt.map { $0 < run.at } ?? true }
        return old.lazy.compactMap(\.restart).first
    }
}
