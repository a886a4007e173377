import Challenges
import FoundationEssentials
import Glibc
import HTTP
import Lineages
import PKI
import Renewal

/// The challenges: names, webroots, and what answers for a file in them.
extension Diagnosis {
    /// A certificate has at most a hundred names, and each takes its time.
    static let mostNames = 100

    private struct Question: Sendable {
        let lineage: String
        let name: SubjectName
        let webroot: String?
    }

    /// - Parameter locally: asks this host's own listeners only, and no DNS.
    func challenges(_ subjects: [Subject], _ web: WebFacts, locally: Bool = false) async -> Findings {
        var findings = Findings()
        var questions: [Question] = []
        for subject in subjects {
            let lineage = subject.lineage
            if let reason = lineage.reasonUnmanaged {
                findings.skip(
                    [.webrootMissing, .nameUnresolved, .httpNotListening, .challengeLocationMissing], lineage.name,
                    at: "its challenges", because: "certctl does not renew it: \(reason)")
            }
            questions += subject.names.prefix(Diagnosis.mostNames).map {
                Question(lineage: lineage.name, name: $0, webroot: lineage.options?.webroot(for: $0))
            }
        }
        let names = NameProbe(server: host.resolver)
        let budget = budget
        let texts = Array(Set(questions.map(\.name))).sorted { $0.description < $1.description }
        let found = await sideBySide(texts) { name -> NameAddresses in
            if locally { return .found(v4: ["127.0.0.1"], v6: []) }
            if case .ip = name { return .found(v4: [name.description], v6: []) }
            return await names.addresses(of: name.description, within: budget.time(NameProbe.timeout))
        }
        let addresses = Dictionary(uniqueKeysWithValues: zip(texts, found))
        if !locally {
            let asked = zip(texts, found).filter { if case .ip = $0.0 { false } else { true } }.map(\.1)
            findings += NameJudgement.findings(asked, by: names.description, isNamed: host.resolver != nil)
        }
        for question in questions {
            if case .ip = question.name { continue }
            if locally { continue }
            findings += NameJudgement.findings(
                addresses[question.name, default: .unanswered("it was not asked")], of: question.name.description,
                lineage: question.lineage, by: names.description)
        }
        let (files, states) = await writeFiles(Set(questions.compactMap(\.webroot)))
        defer { for file in files.values { file.remove() } }
        for lineage in Set(questions.map(\.lineage)).sorted() {
            for path in Set(questions.filter { $0.lineage == lineage }.compactMap(\.webroot)).sorted() {
                findings += RenewalJudgement.webroot(
                    states[path] ?? .notAllowed("the time was up"), path: path, of: lineage)
            }
            if let question = questions.first(where: { $0.lineage == lineage && $0.webroot == nil }) {
                findings.fail(
                    .webrootMissing, lineage, at: "webroot of \(question.name)",
                    "no webroot is known for \(question.name): its renewal config has neither webroot_map nor webroot_path",
                    .webrootUnknown(conf: "\(host.treePath)/renewal/\(lineage).conf"))
            }
        }
        let own = OwnAddresses.all()
        var probe = ChallengeProbe(
            transport: host.transport, names: names, port: host.settings.httpPort, budget: budget, own: own)
        let tlsPorts = subjects.reduce(into: Set()) { $0.formUnion($1.tlsPorts) }
        probe.tlsPort = tlsPorts.contains(443) ? 443 : tlsPorts.min() ?? 443
        let (asking, port) = (probe, host.settings.httpPort)
        let isBehindNAT = own.allSatisfy(OwnAddresses.isPrivate)
        let facts = await sideBySide(questions) { question -> ChallengeFacts? in
            guard let webroot = question.webroot, !budget.isOver else { return nil }
            let file = files[webroot] ?? ProbeFile(webroot: webroot)
            let name = question.name.description
            let all = addresses[question.name]?.all ?? []
            let places = ["127.0.0.1", "::1"] + all.filter { $0 != "127.0.0.1" && $0 != "::1" }
            let answers = await sideBySide(places) { await asking.answer(of: $0, name: name, file: file) }
            let named = Set(all)
            // ::1 counts where the name has it; 127.0.0.1 stands for this host's own listener in any case.
            let local = answers.filter { $0.place.hasPrefix("127.0.0.1:") || $0.place.hasPrefix("[::1]:") }
            let isThere = files[webroot] != nil
            return ChallengeFacts(
                lineage: question.lineage, name: name, webroot: webroot,
                notWritten: isThere ? nil : states[webroot]?.reason ?? "the time was up", local: local,
                fromOutside: zip(places, answers).filter { named.contains($0.0) }.map(\.1),
                obstacle: isThere ? ProbeFile.obstacle(onWayTo: file.path) : nil, isBehindNAT: isBehindNAT,
                isOfDNS: !locally, server: ChallengeServer(name, port: port, webroot: webroot, web.nginx))
        }
        if facts.contains(where: { $0 == nil }) {
            findings.skip(ChallengeJudgement.ids, at: "challenges", because: "the time was up, or no webroot is known")
        }
        let isListening = locally ? nil : web.listeners.map { $0.isListening(port) }
        for facts in facts.compactMap(\.self) {
            findings += ChallengeJudgement.findings(
                facts, port: port, isListening: isListening, hasDocker: web.hasDocker)
        }
        return findings
    }

    /// Puts a file into each webroot that takes one.
    private func writeFiles(_ webroots: Set<String>) async -> (
        [String: ProbeFile], [String: RenewalJudgement.WebrootState]
    ) {
        var (files, states): ([String: ProbeFile], [String: RenewalJudgement.WebrootState]) = ([:], [:])
        let budget = budget
        let written = await sideBySide(webroots.sorted()) { path -> (ProbeFile, RenewalJudgement.WebrootState) in
            let file = ProbeFile(webroot: path)
            let state = await OffThread.value(within: budget.time(Diagnosis.fileTimeout)) { Diagnosis.write(file) }
            // One that is still on its way goes as soon as it is there.
            if state == nil { file.abandon() }
            return (file, state ?? .refused("no answer within \(Diagnosis.fileTimeout.components.seconds) s", code: 0))
        }
        for (file, state) in written {
            states[file.webroot.path] = state
            if state == .written { files[file.webroot.path] = file }
        }
        return (files, states)
    }

    private static func write(_ file: ProbeFile) -> RenewalJudgement.WebrootState {
        do {
            guard let status = try FileSystem.status(file.webroot.path, followingLinks: true) else { return .missing }
            guard status.kind == .directory else { return .notADirectory }
            try file.write()
            return .written
        } catch let error as FileError {
            if error.code == 0 { return .obstructed(error) }
            return error.isPermission && geteuid() != 0
                ? .notAllowed("\(error)") : .refused(error.cause, code: error.code)
        } catch {
            return .notAllowed("interrupted")
        }
    }
}
