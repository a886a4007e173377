import ACME
import ArgumentParser
import Deployment
import FoundationEssentials
import Glibc
import Lineages
import PKI
import Renewal
import Synchronization

/// How much a run says.
struct OutputOptions: ParsableArguments {
    @Flag(name: [.short, .long], help: "Say only what failed.")
    var quiet = false

    @Flag(name: [.short, .long], help: "Show every request to the CA and every hook.")
    var verbose = false
}

/// Writes what happens in a run: results to stdout, everything else to stderr.
///
/// On a terminal one line moves along with the work. In the journal each line has its priority (sd-daemon(3)).
final class RunPrinter: Sendable {
    private let options: OutputOptions
    private let isTerminal: Bool
    private let isJournal: Bool
    private let progressIsShown = Mutex(false)

    init(_ options: OutputOptions) {
        self.options = options
        isTerminal = isatty(STDERR_FILENO) == 1 && RunPrinter.variable("TERM") != "dumb"
        isJournal = RunPrinter.stderrIsJournal
    }

    /// systemd says in JOURNAL_STREAM which device and inode the journal's stream has.
    private static var stderrIsJournal: Bool {
        guard let value = variable("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard unsafe fstat(STDERR_FILENO, &status) == 0 else { return false }
        return value == "\(status.st_dev):\(status.st_ino)"
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// syslog(3)'s priorities, as far as they are used.
    private enum Priority: Int {
        case error = 3
        case warning = 4
        case info = 6
        case debug = 7
    }

    func print(_ event: RenewalEvent) {
        switch event {
        case .completedSwitch(let name):
            note("\(name): completed the switch of live/ that an earlier run began")
        case .notDue(let name, let date, let reason):
            if options.verbose { note("\(name): not due before \(LocalTime.text(date)) (\(reason))", .debug) }
        case .leftAlone(let name, let reason): note("\(name): left alone: \(reason)")
        case .remark(let name, let text): warn(name.map { "\($0): \(text)" } ?? text)
        case .started(let name, let names, let reason):
            progress("\(name): ordering \(RunPrinter.list(names.map(\.description))) (\(reason))")
        case .step(let name, let step): print(step, of: name)
        case .tried(let name, let server, let certificate):
            result("\(name): the dry run at \(server) went through, \(RunPrinter.expiry(of: certificate))")
        case .installed(let name, let version, let certificate):
            result("\(name): version \(version) is live, \(RunPrinter.expiry(of: certificate))")
        case .adopted(let name, let found):
            if options.verbose { note("\(name): entered in the books: \(found)", .debug) }
        case .verified(let name, let places):
            var endpoints: [String] = []
            for place in places where !endpoints.contains("\(place.endpoint)") { endpoints.append("\(place.endpoint)") }
            result("\(name): \(RunPrinter.list(endpoints)) \(endpoints.count == 1 ? "serves" : "serve") it")
        case .notVerified(let name, let why): note("\(name): not seen served here: \(why)")
        case .pending(let name, let what, let next, let command):
            let when = next.map { "the first run after \(LocalTime.text($0))" } ?? "the next run"
            fault("\(name): pending: \(what)", next: "\(when) tries again, and certctl \(command) \(name) does now")
        case .booksFailed(let error):
            fault("the books cannot be kept: \(error)", next: "see that the state directory can be written to")
        case .hook(let event): print(event)
        case .failed(let name, let failure):
            fault("\(name): \(failure)", next: NextStep.after(failure, lineage: name))
        case .exchange(let exchange):
            if options.verbose { note("  \(exchange)", .debug) }
        }
    }

    private func print(_ step: Issuance.Step, of name: String) {
        switch step {
        case .ordered(let url): if options.verbose { note("\(name): order \(url)", .debug) }
        case .validating(let names): progress("\(name): the CA validates \(RunPrinter.list(names))")
        case .finalizing: progress("\(name): the CA issues the certificate")
        case .fellBack(let what): warn("\(name): \(what)")
        }
    }

    private func print(_ event: HookEvent) {
        switch event {
        case .started(let hook): progress("running \(hook.kind.rawValue) hook \(hook.name)")
        case .finished(let hook, let outcome):
            if outcome.succeeded {
                if options.verbose { note("\(hook.kind.rawValue) hook \(hook.name) \(outcome)", .debug) }
            } else {
                fault("\(hook.kind.rawValue) hook \(hook.name) \(outcome)", next: nil)
                for line in outcome.output.split(whereSeparator: \.isNewline) { write("    \(line)", .error) }
            }
        }
    }

    /// The last lines of a run.
    func finish(_ report: RunReport) {
        clearProgress()
        if report.wasInterrupted { fault("interrupted: what is not done yet is taken up by the next run", next: nil) }
        let waiting = report.outcomes.compactMap { entry -> (name: String, date: Date)? in
            if case .notDue(let date) = entry.outcome { (entry.name, date) } else { nil }
        }
        guard let first = waiting.min(by: { $0.date < $1.date }) else { return }
        let others = report.outcomes.count - waiting.count
        let count = waiting.count == 1 ? "1 lineage" : "\(waiting.count) lineages"
        result(
            "\(others == 0 ? "nothing is due: " : "not due: ")\(count), the first is \(first.name) on "
                + LocalTime.text(first.date))
    }

    func warn(_ text: String) {
        if !options.quiet { write(text, .warning) }
    }

    /// Something that went well and that the operator came for.
    func result(_ text: String) {
        guard !options.quiet else { return }
        clearProgress()
        Swift.print(text.plain)
        fflush(nil)
    }

    private func note(_ text: String, _ priority: Priority = .info) {
        if !options.quiet { write(text, priority) }
    }

    func fault(_ text: String, next: String?) {
        write("certctl: \(text)", .error)
        if let next { write("  next: \(next)", .error) }
    }

    private func write(_ text: String, _ priority: Priority) {
        clearProgress()
        StandardError.write((isJournal ? "<\(priority.rawValue)>" : "") + text.plain + "\n")
    }

    private func progress(_ text: String) {
        guard !options.quiet else { return }
        guard isTerminal, !options.verbose else {
            write(text, .info)
            return
        }
        progressIsShown.withLock { shown in
            shown = true
            StandardError.write("\r\u{1B}[K\(text.plain.prefix(RunPrinter.terminalWidth - 2)) …")
        }
    }

    private func clearProgress() {
        progressIsShown.withLock { shown in
            if shown { StandardError.write("\r\u{1B}[K") }
            shown = false
        }
    }

    private static var terminalWidth: Int {
        var size = winsize()
        guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 10 else { return 80 }
        return Int(size.ws_col)
    }

    private static func list(_ names: [String]) -> String {
        names.count <= 3 ? names.joined(separator: ", ") : "\(names[0]) and \(names.count - 1) more names"
    }

    private static func expiry(of certificate: Certificate) -> String {
        let expiry = certificate.notAfter
        return "expires \(LocalTime.text(expiry)) (\(LocalTime.distance(to: expiry, from: Date.now)))"
    }
}
