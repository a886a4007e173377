import ACME
import Deployment
import FoundationEssentials
import Glibc
import PKI
import Renewal
import Synchronization

/// Says in the state directory what this run is doing, for a process that finds the config directory locked.
final class RunTrace: Sendable {
    private struct State {
        var isOn = false
        var step = ""
    }

    private let state = Mutex(State())
    private let store: StateStore
    private let startedAt = Date.now

    init(_ store: StateStore) { self.store = store }

    func begin() {
        state.withLock { state in
            state.isOn = true
            write("starting", &state)
        }
    }

    func end() {
        state.withLock { state in
            state.isOn = false
            try? store.note(running: nil)
        }
    }

    func note(_ event: RenewalEvent) {
        guard let step = event.runStep else { return }
        state.withLock { state in
            guard state.isOn, state.step != step else { return }
            write(step, &state)
        }
    }

    /// A run does its work also where this cannot be written.
    private func write(_ step: String, _ state: inout State) {
        state.step = step
        try? store.note(running: RunNote(pid: getpid(), startedAt: startedAt, step: step))
    }
}

extension RenewalEvent {
    /// What a run is doing from this event on; nil where the event does not say.
    fileprivate var runStep: String? {
        switch self {
        case .started(let name, _, _): "\(name): ordering"
        case .step(let name, let step): step.stage.map { "\(name): \($0)" }
        case .obtained(let name): "\(name): issued, installing it"
        case .installed(let name, _, _): "\(name): installed, running its hooks"
        case .hook(.started(let hook)): "\(hook.kind.rawValue) hook \(hook.name)"
        case .hook(.finished(let hook, _)): "after \(hook.kind.rawValue) hook \(hook.name)"
        default: nil
        }
    }
}

extension Issuance.Step {
    /// The stage that the exchange with the CA has come to; nil where it is the same as before.
    var stage: String? {
        switch self {
        case .ordered, .waiting, .fellBack, .notValidated: nil
        case .presenting(let challenges):
            // A file is there at once; a record takes its time, and is worth a line.
            challenges.allSatisfy { $0.type == "http-01" }
                ? nil : "adding records for \(RunPrinter.list(challenges.map(\.name.description)))"
        case .validating(let names): "the CA validates \(RunPrinter.list(names))"
        case .finalizing: "the CA issues the certificate"
        }
    }
}
