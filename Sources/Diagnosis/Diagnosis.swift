import ACME
package import Challenges
import Deployment
package import FoundationEssentials
package import HTTP
package import Lineages
import PKI
package import Renewal
import Setup

/// Looks at everything between a lineage and those who see it, and says what is wrong, why, and what to do.
///
/// Probes gather facts, side by side and each with a limit; judges turn facts into checks. Nothing is changed: the file that is put
/// into each webroot is taken away again.
package struct Diagnosis: Sendable {
    /// What there is to look at, and by what means.
    package struct Host: Sendable {
        package var treePath: String
        package var tree: Tree?
        /// Why there is no tree; nil where there is.
        package var treeFailure: Tree.Failure?
        package var lineages: [Lineage]
        package var settings: HostSettings
        package var stateDirectory: String
        package var environment: [String: String]
        /// The user's home directory, where the docker command has its contexts.
        package var home: String?
        /// Nil is the system's resolver.
        package var resolver: DNSServer?
        /// Whether CAs are asked.
        package var asksCA: Bool
        package var transport: any HTTPTransport
        package var now: Date

        package init(
            treePath: String, tree: Tree?, treeFailure: Tree.Failure?, lineages: [Lineage], settings: HostSettings,
            stateDirectory: String, environment: [String: String], home: String?, resolver: DNSServer?, asksCA: Bool,
            transport: any HTTPTransport, now: Date
        ) {
            (self.treePath, self.tree, self.treeFailure, self.lineages) = (treePath, tree, treeFailure, lineages)
            (self.settings, self.stateDirectory, self.environment) = (settings, stateDirectory, environment)
            (self.home, self.resolver, self.asksCA) = (home, resolver, asksCA)
            (self.transport, self.now) = (transport, now)
        }
    }

    let host: Host
    let budget = Budget()
    let runner: any CommandRunner = SubprocessRunner()

    package init(_ host: Host) { self.host = host }

    /// Whether there is anything to look at.
    package var isTreeReadable: Bool { host.treeFailure == nil }

    /// How many lineages are looked at.
    package var count: Int { host.lineages.count }

    /// The whole examination.
    package func run() async -> DiagnosisReport {
        var findings = TreeJudgement.findings(host.treeFailure, path: host.treePath, lineages: host.lineages)
        guard let tree = host.tree, host.treeFailure == nil else {
            let seen = Set(findings.checks.map(\.id))
            findings.skip(
                CheckID.allCases.filter { !seen.contains($0) }, at: host.treePath, because: "there is no tree to go by")
            return DiagnosisReport(findings.checks)
        }
        let subjects = host.lineages.map { Subject($0, host) }
        let failures = registrationFailures
        for subject in subjects { findings += subject.findings(failures, at: host.now) }
        async let web = webServer(subjects)
        async let looks = served(subjects)
        async let proofs = proofs(subjects)
        async let schedule = schedule(tree)
        async let authorities = authorities(subjects, tree)
        findings += orphans(tree)
        findings += disks(subjects, tree)
        for subject in subjects {
            findings += RenewalJudgement.past(
                subject.state, unreadable: subject.unreadableState, of: subject.lineage, failures: failures,
                at: host.now)
        }
        let (facts, webFindings) = await web
        findings += webFindings
        let reports = await looks
        findings += docker(facts, reports, subjects)
        findings += await judged(reports, subjects, tree, facts)
        findings += hooks(subjects, tree, reports)
        findings += await challenges(subjects, facts)
        let (authorityFindings, clocks) = await authorities
        findings += authorityFindings
        let (scheduleFindings, isSynchronized) = await schedule
        findings += scheduleFindings
        findings += clock(clocks, isSynchronized: isSynchronized)
        if budget.isOver {
            findings.skip(
                [.budgetSpent], at: "the time",
                because:
                    "\(Budget.whole.components.seconds) s were not enough to look at everything: name fewer certificates"
            )
        }
        findings += await proofs
        return DiagnosisReport(findings.checks)
    }
}

extension Diagnosis {
    /// What keeps this host's own web server from showing the answers to challenges, and nothing else: for a run that is about to
    /// ask a CA. Names are not looked up: what they lead to from here is not what a CA sees (hairpin NAT, split DNS).
    package func challengeFaults() async -> [Check] {
        let subjects = host.lineages.map { Subject($0, host) }
        let findings = await challenges(subjects, unasked(subjects), locally: true)
        return findings.checks.filter { $0.verdict == .failure || $0.verdict == .warning }
    }

    /// What files and the state show, at once and without the network: every check that can be judged by them alone.
    package func localChecks() -> [Check] {
        var findings = TreeJudgement.findings(host.treeFailure, path: host.treePath, lineages: host.lineages)
        guard let tree = host.tree, host.treeFailure == nil else { return findings.checks }
        let subjects = host.lineages.map { Subject($0, host) }
        let failures = registrationFailures
        for subject in subjects {
            findings += subject.findings(failures, at: host.now)
            findings += RenewalJudgement.past(
                subject.state, unreadable: subject.unreadableState, of: subject.lineage, failures: failures,
                at: host.now)
        }
        findings += orphans(tree)
        findings += disks(subjects, tree)
        findings += hooks(subjects, tree, [])
        findings += accounts(subjects, tree).findings
        findings += lock(tree)
        return DiagnosisReport(findings.checks).checks
    }

    /// Why nginx would not load a new certificate, by its own test; nil where it would, or could not be tested.
    package func configurationFault() async -> Check? {
        let subjects = host.lineages.map { Subject($0, host) }
        let (facts, found) = await webServer(subjects)
        var findings = found
        findings += docker(facts, [], subjects)
        return findings.checks.first { $0.id == .nginxConfigInvalid && $0.verdict == .failure }
    }
}

/// One lineage, with what is read of it once.
struct Subject: Sendable {
    let lineage: Lineage
    let state: LineageState?
    /// Why the state cannot be read; nil where it can.
    let unreadableState: String?
    let chain: [Certificate]?
    let verification: VerificationSettings?
    private let verificationProblem: LineageProblem?

    init(_ lineage: Lineage, _ host: Diagnosis.Host) {
        self.lineage = lineage
        chain = lineage.paths.flatMap { paths in
            (try? FileSystem.read(paths.link(.fullchain))).flatMap { try? Certificate.chain(pem: $0) }
        }
        (state, unreadableState) = StateStore(stateDirectory: host.stateDirectory)
            .stateIfReadable(of: lineage, at: host.now)
        do throws(LineageProblem) {
            verification = try VerificationSettings(lineage: lineage.conf, host: host.settings.conf)
            verificationProblem = nil
        } catch {
            (verification, verificationProblem) = (nil, error)
        }
    }

    /// The names that a renewal proves: those of the certificate, else those of the conf.
    var allNames: [SubjectName] {
        guard lineage.reasonUnmanaged == nil, let options = lineage.options else { return [] }
        return lineage.certificate?.names ?? options.webroots.keys.sorted().compactMap { SubjectName($0) }
    }

    /// Those of them that are proven by a file in a webroot.
    var names: [SubjectName] {
        guard let proof = lineage.options?.proof else { return [] }
        return allNames.filter { proof.method(for: $0) == .webroot }
    }

    /// The ports on which it is served.
    var tlsPorts: Set<Int> {
        guard let certificate = lineage.certificate, let verification else { return [] }
        return Set(verification.targets(for: certificate.names).map(\.target.endpoint).filter(\.isLoopback).map(\.port))
    }

    /// - Parameter failures: of registrations, by the CA's directory URL.
    func findings(_ failures: [String: RegistrationFailure], at now: Date) -> Findings {
        var findings = LineageJudgement.findings(
            lineage, chain: chain,
            failure: state?.acquisition.retry?.cause ?? lineage.options.flatMap { failures[$0.server]?.cause }, at: now)
        if let problem = verificationProblem {
            findings.fail(
                .optionInvalid, lineage.name, at: lineage.confPath, problem.message, .fileMalformed(lineage.confPath))
        }
        return findings
    }
}
