package import FoundationEssentials
package import Lineages
import PKI

/// A lineage as a run is given it: what the config directory says, in the values that decisions are made of.
package struct Subject: Sendable {
    package let name: String
    /// What live/ shows; nil where it shows no certificate.
    package let leaf: Leaf?
    /// Its number in archive/.
    package let number: Int?
    /// What a renewal goes by.
    package let options: RenewalOptions?
    package let commands: HookCommands
    /// Whether a name is proven by certctl's own listener, on a port that a web server may have.
    package let needsListener: Bool
    /// `live/NAME`, for hooks.
    package let livePath: String
    /// `renewal/NAME.conf`.
    package let confPath: String
    /// What keeps the lineage from being used.
    package let problem: Cause?
    /// What an operator should know.
    package let remarks: [String]
    /// Why something else renews it; nil where certctl does.
    package let reasonUnmanaged: String?
    /// Whether its renewal config is a copy of another one's.
    package let isCopy: Bool
    /// Why its endpoints cannot be probed as the settings have it; nil where they can.
    package let settingsProblem: Cause?
    /// Until when certbot was not to ask the CA for renewal information again (`ari_retry_after`): a CA does not care which of the two
    /// asks.
    package let askNotBefore: Date?

    package init(
        name: String, leaf: Leaf?, number: Int?, options: RenewalOptions?, commands: HookCommands, livePath: String,
        confPath: String = "", needsListener: Bool = false, problem: Cause? = nil, remarks: [String] = [],
        reasonUnmanaged: String? = nil, isCopy: Bool = false,
        settingsProblem: Cause? = nil, askNotBefore: Date? = nil
    ) {
        (self.name, self.leaf, self.number, self.options) = (name, leaf, number, options)
        (self.commands, self.livePath, self.confPath) = (commands, livePath, confPath)
        self.needsListener = needsListener
        (self.problem, self.remarks) = (problem, remarks)
        (self.reasonUnmanaged, self.isCopy, self.settingsProblem) = (reasonUnmanaged, isCopy, settingsProblem)
        self.askNotBefore = askNotBefore
    }

    /// A lineage of the config directory.
    package init(_ lineage: Lineage, host: ConfFile) {
        let leaf = lineage.certificate.flatMap { try? Leaf($0) }
        var problem = lineage.fatalProblem.map { Cause($0) }
        if problem == nil, leaf == nil || lineage.paths == nil {
            problem = Cause(.lineage, "\(lineage.confPath) is not complete")
        }
        self.init(
            name: lineage.name, leaf: leaf, number: lineage.version, options: lineage.options,
            commands: lineage.options.map(HookCommands.init) ?? HookCommands(), livePath: lineage.paths?.live ?? "",
            confPath: lineage.confPath,
            needsListener: lineage.options?.proof.needsListener(for: leaf?.names ?? []) ?? false, problem: problem,
            remarks: lineage.problems.filter { !$0.isFatal }.map(\.message),
            reasonUnmanaged: lineage.reasonUnmanaged, isCopy: lineage.original != nil,
            settingsProblem: Subject.settingsProblem(lineage.conf, host),
            askNotBefore: lineage.conf.flatMap(Subject.askNotBefore))
    }

    private static func askNotBefore(_ conf: ConfFile) -> Date? {
        guard case .string(let text)? = conf.value("ari_retry_after", in: ["acme_renewal_info"]) else { return nil }
        return CertbotTime.date(text)
    }

    private static func settingsProblem(_ conf: ConfFile?, _ host: ConfFile) -> Cause? {
        do throws(LineageProblem) {
            _ = try VerificationSettings(lineage: conf, host: host)
            return nil
        } catch {
            return Cause(.setting, "\(error)", subject: error.code.rawValue)
        }
    }

    /// The certificate that a fault is about.
    var fault: FaultSubject { FaultSubject(name: name, conf: confPath, live: livePath, names: leaf?.names ?? []) }

    /// The names in what live/ shows.
    package var domains: [String] { leaf?.names.map(\.description) ?? [] }
}
