import ACME
import ArgumentParser
import Deployment
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Renewal
import Synchronization
import Text

/// How much a run says.
struct OutputOptions: ParsableArguments {
    @Flag(name: [.short, .long], help: "Say only what failed.")
    var quiet = false

    @Flag(name: [.short, .long], help: "Show every request to the CA and every hook.")
    var verbose = false
}

/// Writes what happens in a run: results to stdout, everything else to stderr.
///
/// On a terminal there is a line for each lineage at work, and a table at the end. In the journal each line has its priority (sd-daemon(3)).
final class RunPrinter: Sendable {
    private let options: OutputOptions
    /// Nil where nothing moves: no terminal, or the operator wants everything, or next to nothing.
    private let live: RunProgress?
    private let summary = Mutex(RunSummary())
    private let proof: Mutex<RunProof>
    private let host: ConfFile

    /// - Parameter host: the host's settings.
    init(_ options: OutputOptions, _ proof: RunProof, host: ConfFile) {
        (self.options, self.host) = (options, host)
        self.proof = Mutex(proof)
        let canMove = isatty(STDERR_FILENO) == 1 && RunPrinter.variable("TERM") != "dumb"
        live = canMove && !options.quiet && !options.verbose ? RunProgress(.error) : nil
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// Notes what a run starts with.
    func begin(_ lineages: [Lineage]) { proof.withLock { $0.begin(lineages) } }

    /// Whether a certificate does not exist yet.
    private func isNew(_ name: String) -> Bool { proof.withLock { !$0.knows(name) } }

    func print(_ event: RenewalEvent) {
        summary.withLock { $0.note(event) }
        proof.withLock { $0.note(event) }
        switch event {
        case .completedSwitch(let name):
            note("\(name): completed the switch of live/ that an earlier run began")
        case .notDue(let name, let date, let reason):
            if options.verbose { note("\(name): not due before \(LocalTime.text(date)) (\(reason))", .debug) }
        case .leftAlone(let name, let reason): note("\(name): left alone: \(reason)")
        case .remark(let name, let text): warn(name.map { "\($0): \(text)" } ?? text)
        case .alarm(let name, let text): fault("\(name): \(text)", next: nil)
        case .started(let name, let names, let reason):
            progress(name, "ordering \(RunPrinter.list(names)) (\(reason))")
        case .step(let name, let step): print(step, of: name)
        case .obtained(let name): live?.show(name, "issued, installing it")
        case .tried(let name, let server, let certificate):
            live?.end(name)
            result("\(name): the dry run at \(server) went through, \(RunPrinter.expiry(of: certificate))")
        case .installed(let name, let version, let certificate):
            showWaiting()
            result("\(name): version \(version) is installed, \(RunPrinter.expiry(of: certificate))")
        case .adopted(let name, let found):
            if options.verbose { note("\(name): adopted: \(found)", .debug) }
        case .verified(let name, let places):
            live?.end(name)
            var endpoints: [String] = []
            for place in places where !endpoints.contains("\(place.endpoint)") { endpoints.append("\(place.endpoint)") }
            let proven = proof.withLock { $0.text(of: name, hasUnicode: Screen.output.hasUnicode, at: Date.now) }
            result(
                "\(name): \(RunPrinter.list(endpoints)) \(endpoints.count == 1 ? "serves" : "serve") \(proven ?? "it")")
        case .notVerified(let name, let why):
            live?.end(name)
            note("\(name): not verified: \(why)")
        case .pending(let name, let what, let next, let command):
            live?.end(name)
            let when = next.map { "the first run after \(LocalTime.text($0))" } ?? "the next run"
            fault("\(name): pending: \(what)", next: "\(when) tries again, and certctl \(command) \(name) does now")
        case .stateFailed(let error):
            fault(
                "cannot write state: \(error)",
                next: "make the state directory writable; certctl doctor names the cause")
        case .hook(let event): print(event)
        case .failed(let name, let failure):
            live?.end(name)
            fault("\(name): \(failure)", next: NextStep.after(failure, lineage: name, isNew: isNew(name)))
        case .exchange(let exchange):
            if let target = exchange.redirect {
                warn("\(exchange.url) redirects to \(target): set server to that before the redirect goes away")
            }
            if options.verbose { note("  \(exchange)", .debug) }
        }
    }

    private func print(_ step: Issuance.Step, of name: String) {
        if let stage = step.stage { progress(name, stage) }
        switch step {
        case .ordered(let url): if options.verbose { note("\(name): order \(url)", .debug) }
        case .fellBack(let what): warn("\(name): \(what)")
        case .presenting, .waiting, .validating, .finalizing: break
        case .notValidated(let reused):
            let until = reused.expires.map { " until \(LocalTime.text($0))" } ?? ""
            result("\(name): not validated: the authorization of \(reused.name) is valid\(until)")
        }
    }

    private func print(_ event: HookEvent) {
        switch event {
        case .started(let hook):
            let what = "\(hook.kind.rawValue) hook \(hook.name)"
            if let live { live.show(what, "running") } else { progress("running \(what)") }
        case .finished(let hook, let outcome):
            live?.end("\(hook.kind.rawValue) hook \(hook.name)")
            showWaiting()
            if outcome.succeeded {
                if options.verbose { note("\(hook.kind.rawValue) hook \(hook.name) \(outcome)", .debug) }
            } else {
                fault("\(hook.kind.rawValue) hook \(hook.name) \(outcome)", next: nil)
                for line in outcome.output.split(whereSeparator: \.isNewline) { write("    \(line)", .error) }
            }
        }
    }

    /// What is installed waits for its endpoints.
    private func showWaiting() {
        guard let live else { return }
        for (name, endpoint, limit) in proof.withLock({ $0.waiting(host) }) {
            live.show(name, "waiting for \(endpoint) to serve it", limit: limit)
        }
    }

    /// The last lines of a run: a run that was not successful does not end with what was not due.
    func finish(_ report: RunReport, exitCode: Int32) {
        for entry in report.outcomes { live?.end(entry.name) }
        if live != nil {
            for line in summary.withLock({ $0.lines(report, on: .error) }) { StandardError.write(line + "\n") }
        }
        if report.wasInterrupted {
            let isFirst = report.outcomes.contains { isNew($0.name) }
            fault(
                isFirst ? "interrupted" : "interrupted: the next run continues what is not done",
                next: isFirst ? "the same certctl issue continues it" : nil)
        }
        let waiting = report.outcomes.compactMap { entry -> (name: String, date: Date)? in
            if case .notDue(let date, _) = entry.outcome { (entry.name, date) } else { nil }
        }
        guard let first = waiting.min(by: { $0.date < $1.date }) else { return }
        let others = report.outcomes.count - waiting.count
        let count = waiting.count == 1 ? "1 certificate" : "\(waiting.count) certificates"
        result(
            "\(others == 0 && exitCode == 0 ? "nothing is due: " : "not due: ")\(count), the first is \(first.name) on "
                + LocalTime.text(first.date))
        if exitCode != 0, !options.quiet, !report.troubles.isEmpty {
            fault(
                "this run is not finished: \(report.troubles.joined(separator: ", "))",
                next: report.debtsUnknown ? .run("certctl deploy") : .run("certctl doctor"))
        }
    }

    func warn(_ text: String) {
        if !options.quiet { write(text, .warning) }
    }

    /// Something that went well and that the operator came for.
    func result(_ text: String) {
        guard !options.quiet else { return }
        above {
            StandardStreams.print(line: text)
            fflush(nil)
        }
    }

    /// What the operator should know before something is done.
    func remark(_ text: String) { note(text) }

    private func note(_ text: String, _ priority: Journal.Priority = .info) {
        if !options.quiet { write(text, priority) }
    }

    func fault(_ text: String, next: Remedy.Step?) {
        above { StandardError.write(fault: text, next: next) }
    }

    private func write(_ text: String, _ priority: Journal.Priority) {
        above { StandardError.write(line: text, priority) }
    }

    /// Writes for good, above what moves.
    private func above(_ write: () -> Void) {
        if let live { live.print(write) } else { write() }
    }

    /// Where a lineage is: a line that moves on a terminal, else one that stays.
    private func progress(_ name: String, _ stage: String) {
        if let live { live.show(name, stage) } else { progress("\(name): \(stage)") }
    }

    private func progress(_ text: String) {
        if !options.quiet { write(text, .info) }
    }

    static func list(_ names: [String]) -> String {
        names.count <= 3 ? names.joined(separator: ", ") : "\(names[0]) and \(names.count - 1) more names"
    }

    private static func expiry(of certificate: Leaf) -> String {
        let expiry = certificate.notAfter
        return "expires \(LocalTime.text(expiry)) (\(LocalTime.distance(to: expiry, from: Date.now)))"
    }
}
