import Deployment
import FoundationEssentials
import Lineages
import PKI
import Renewal

/// What shows, at the end of a renewal, that it has reached its clients: which serial number took the place of which one, how long
/// after the reload, and how many certificates the CA still allows.
struct RunProof {
    private struct Installed {
        let old: String?
        let new: Leaf
    }

    private var known: [String: Lineage] = [:]
    private var installed: [String: Installed] = [:]
    private var reloaded: ContinuousClock.Instant?
    private var unproven: Set<String> = []
    private let tree: Tree
    private let store: StateStore
    private let limit: Int?

    /// - Parameter limit: the host's `duplicate_limit`.
    init(_ tree: Tree, _ store: StateStore, limit: Int?) { (self.tree, self.store, self.limit) = (tree, store, limit) }

    /// Notes what a run starts with.
    mutating func begin(_ lineages: [Lineage]) { for lineage in lineages { known[lineage.name] = lineage } }

    func knows(_ name: String) -> Bool { known[name] != nil }

    mutating func note(_ event: RenewalEvent) {
        switch event {
        case .installed(let name, _, let new):
            installed[name] = Installed(old: known[name]?.certificate?.serial, new: new)
            unproven.insert(name)
        case .verified(let name, _), .notVerified(let name, _), .pending(let name, _, _, _), .failed(let name, _):
            unproven.remove(name)
        case .hook(.finished(let hook, _)) where hook.kind == .deploy || hook.kind == .post: reloaded = .now
        default: return
        }
    }

    /// The certificates that this run has installed and that no endpoint was seen serving yet, each with what it waits for.
    ///
    /// - Parameter host: the host's settings.
    func waiting(_ host: ConfFile) -> [(name: String, endpoint: String, limit: Duration)] {
        unproven.sorted().compactMap { name in
            guard let settings = try? VerificationSettings(lineage: known[name]?.conf, host: host),
                let target = settings.targets(for: installed[name]?.new.names ?? [], most: 1).first?.target
            else { return nil }
            return (name, "\(target.endpoint)", settings.timeout)
        }
    }

    /// `5d10…→577e…, 0.8 s after the reload; 4 of 5 certificates left this week`; nil if this run has installed nothing.
    func text(of name: String, hasUnicode: Bool, at now: Date) -> String? {
        guard let installed = installed[name] else { return nil }
        let (dots, arrow) = hasUnicode ? ("…", "→") : ("...", "->")
        let serials = [installed.old, installed.new.serial].compactMap { $0.map { $0.prefix(4) + dots } }
        var text = serials.joined(separator: arrow)
        if let reloaded {
            let seconds = (reloaded.duration(to: .now) / .milliseconds(100)).rounded() / 10
            text += ", \(seconds) s after the reload"
        }
        let budget = budget(of: name, installed.new, at: now)
        if let limit = budget?.limit, let used = budget?.used {
            text += "; \(max(0, limit - used)) of \(limit) certificates left this week"
        }
        return text
    }

    private func budget(of name: String, _ leaf: Leaf, at now: Date) -> CertificateBudget? {
        // The directory as it is now: the certificate may be new, and another may have the same names.
        guard let lineage = (try? tree.lineages([name]))?.first, let server = lineage.options?.server else {
            return nil
        }
        let names = Set(leaf.names)
        let others = known.values.filter { $0.name != name && Set($0.certificate?.names ?? []) == names }
        return CertificateBudget(
            names, at: server, among: [lineage] + others, store: store, limit: limit, now: now)
    }
}
