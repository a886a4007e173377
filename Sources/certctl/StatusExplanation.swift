import Deployment
import FoundationEssentials
import Lineages
import PKI
import Renewal
import Text

/// `certctl status --explain NAME`: the whole decision about a lineage, each rule with what it saw.
struct StatusExplanation {
    private let lineage: Lineage
    private let state: LineageState?
    private let row: LineageStatus
    private let now: Date
    private let screen: Screen
    private let next: NextText
    private let hooks: (directory: HookDirectory, own: HookCommands)
    private let host: ConfFile

    /// - Parameter row: what the table would have of it.
    init(
        _ lineage: Lineage, _ row: LineageStatus, _ tree: Tree, state: LineageState?, host: ConfFile, at now: Date,
        nextStart: Date?, screen: Screen
    ) {
        (self.lineage, self.row, self.state, self.host) = (lineage, row, state, host)
        (self.now, self.screen) = (now, screen)
        next = NextText(at: now, nextStart: nextStart)
        hooks = (HookDirectory(configDirectory: tree.path), HookCommands(lineage.options, tree.defaults))
    }

    var text: String {
        let sections = [
            ("", certificate), ("why", rules), ("stage", stage), ("hooks", hookLines), ("endpoints", endpoints),
            ("problems", row.problems.map(\.message)),
            ("next", Fault.known(of: lineage, state).compactMap { $0.remedy?.line }),
        ]
        var lines = [
            row.state.style.text("\(row.state.mark(on: screen)) \(row.name): \(row.state.rawValue)", on: screen),
            "  \(next.text(for: row, brief: false))".plain,
        ]
        for (title, entries) in sections where !entries.isEmpty {
            if !title.isEmpty { lines += ["", Style.heading.text(title, on: screen)] }
            for entry in entries {
                lines += TextLayout.wrapped(entry.plain, to: screen.width.map { $0 - 2 }, indent: 4).map { "  " + $0 }
            }
        }
        return lines.joined(separator: "\n")
    }

    private var certificate: [String] {
        guard let certificate = lineage.certificate, let paths = lineage.paths else { return [] }
        return [
            "\(certificate.keyType), serial \(certificate.serial), issued by \(certificate.issuer)",
            "for \(certificate.names.map(\.description).joined(separator: ", "))",
            "valid from \(LocalTime.text(certificate.notBefore)) to \(LocalTime.text(certificate.notAfter)) "
                + "(\(LocalTime.distance(to: certificate.notAfter, from: now)))",
            "in \(paths.live)" + (lineage.version.map { ", version \($0)" } ?? ""),
        ]
    }

    /// Each rule that was asked, up to the one that decided.
    private var rules: [String] {
        if let problem = lineage.fatalProblem { return ["it is broken: \(problem.message)"] }
        if let reason = lineage.reasonUnmanaged { return ["certctl does not renew it: \(reason)"] }
        var lines = RenewalPolicy().rulings(for: lineage, state, at: now).map { ruling in
            "\(StatusExplanation.text(ruling.rule)): \(StatusExplanation.text(ruling.decision, at: now))"
        }
        if let retry = state?.retry, let nextAttempt = retry.nextAttempt, nextAttempt > now {
            lines.append(
                "it has failed \(retry.failures) times, so that it is left alone until \(LocalTime.text(nextAttempt))")
        }
        if let held = state?.host.quarantine {
            lines.append("serial \(held.serial) is quarantined: \(held.retry.cause)")
        }
        return lines
    }

    private static func text(_ rule: RenewalPolicy.Rule) -> String {
        switch rule {
        case .force(let isForced): "forced by an operator: \(isForced ? "yes" : "no")"
        case .autorenew(let isOn): "autorenew = \(isOn ? "True" : "False")"
        case .expiry(let date): "expires \(LocalTime.text(date))"
        case .revocation(let reason): "revoked (\(reason))"
        case .beforeExpiry(nil, _): "renew_before_expiry: not set"
        case .beforeExpiry(let span?, nil):
            "renew_before_expiry = \(Int(span / 86_400)) days, not less than its lifetime"
        case .beforeExpiry(let span?, let date?):
            "renew_before_expiry = \(Int(span / 86_400)) days, which is \(LocalTime.text(date))"
        case .suggestion(nil, _, _): "suggested by the CA: nothing"
        case .suggestion(let date?, let end, let page):
            "suggested by the CA: \(LocalTime.text(date))"
                + (end.map { ", in a window until \(LocalTime.text($0))" } ?? "")
                + (page.map { ": see \($0)" } ?? "")
        case .share(let reason, let date): "\(reason), which is \(LocalTime.text(date))"
        }
    }

    private static func text(_ decision: RenewalPolicy.Decision?, at now: Date) -> String {
        switch decision {
        case nil: "goes on"
        case .renew: "renew"
        case .wait(let date, _): "wait, \(LocalTime.distance(to: date, from: now))"
        case .never: "never"
        }
    }

    private var stage: [String] {
        guard let state, let stage = state.stage else {
            return ["no state yet: the next run probes its endpoints and adopts it"]
        }
        var lines = [stage.rawValue]
        if let installed = state.host.live.version { lines.append("installed \(LocalTime.text(installed.at))") }
        if let date = state.host.live.rollout?.deployedAt {
            lines.append("deployed \(LocalTime.text(date)): its hooks had exited with 0")
        }
        if let date = state.host.live.rollout?.verifiedAt {
            lines.append("verified \(LocalTime.text(date)): an endpoint served it")
        }
        if state.isPending { lines.append("pending: \(state.summary)") }
        return lines
    }

    private var hookLines: [String] {
        var lines: [String] = []
        for kind in Hook.Kind.allCases {
            let listing = hooks.directory.list(kind)
            let areOn = lineage.options?.directoryHooks ?? true
            for hook in listing.hooks where areOn {
                lines.append("\(kind.rawValue): \(hooks.directory.path(of: kind))/\(hook.name)\(outcome(of: hook))")
            }
            if let command = hooks.own.command(kind) {
                lines.append("\(kind.rawValue): \(command)\(outcome(of: Hook(kind, .configuration(command: command))))")
            }
            for skipped in listing.skipped {
                lines.append("\(kind.rawValue): not \(skipped.name), it \(skipped.reason)")
            }
        }
        return lines.isEmpty ? ["none: nothing reloads the server"] : lines
    }

    private func outcome(of hook: Hook) -> String {
        guard
            let record = state?.host.live.rollout?.hooks.first(where: {
                $0.kind == hook.kind.rawValue && $0.identity == hook.identity
            })
        else { return "" }
        let when = LocalTime.text(record.at)
        return record.succeeded
            ? ", exited with 0 \(when)"
            : ", failed \(record.failures == 1 ? "once" : "\(record.failures) times"), last \(when)"
    }

    private var endpoints: [String] {
        guard let certificate = lineage.certificate else { return [] }
        let settings: VerificationSettings
        do throws(LineageProblem) {
            settings = try VerificationSettings(lineage: lineage.conf, host: host)
        } catch {
            return [error.message]
        }
        let places = settings.targets(for: certificate.names)
        if places.isEmpty { return ["nowhere: verify = none, or no concrete name"] }
        return places.map { place, isListed in
            let seen = row.served?.first { $0.endpoint == "\(place.endpoint)" && $0.name == place.name }
            let why =
                isListed
                ? "set in verify"
                : state?.host.served.contains(place) == true ? "it has served it before" : "a note only"
            return "\(place.endpoint) for \(place.name) (\(why))\(seen.map { ": \($0.detail)" } ?? "")"
        }
    }
}
