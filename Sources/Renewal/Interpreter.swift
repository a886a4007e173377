import FoundationEssentials
import Lineages
import Synchronization

/// Where events become states, and states are written down: before every effect that cannot be undone.
extension RenewalRun {
    func knownState(of name: String) -> LineageState {
        switch world.knowledge(of: name) {
        case .known(let state): return state
        case .unknown: return LineageState(name: name)
        case .unreadable(let reason):
            report(.remark(name: name, "\(reason); it is rebuilt from the config directory and the endpoints"))
            return LineageState(name: name)
        }
    }

    /// Notes an event. What cannot be written down is reported, makes the run one that failed, and stops nothing that has happened
    /// already.
    func apply(_ event: StateEvent, to context: inout LineageContext) {
        let (state, effects) = context.state.applying(event, at: world.now)
        context.state = state
        save(&context)
        perform(effects, &context)
    }

    /// Notes an event before what cannot be undone: it must be written down.
    func commit(_ event: StateEvent, to context: inout LineageContext) throws(FileError) {
        let (state, effects) = context.state.applying(event, at: world.now)
        try world.save(state, isDurable: true)
        (context.state, context.saved, context.isChanged) = (state, state, true)
        perform(effects, &context)
    }

    /// Writes the state down where it has changed. What is only found out again is not synced: a run over a thousand lineages that
    /// are new here would wait for the disk a thousand times.
    func save(_ context: inout LineageContext) {
        guard context.state != context.saved else { return }
        let (state, isDurable) = (context.state, !context.state.isRediscoverable)
        keep { () throws(FileError) in try world.save(state, isDurable: isDurable) }
        (context.saved, context.isChanged) = (state, true)
    }

    func perform(_ effects: [StateEffect], _ context: inout LineageContext) {
        let name = context.name
        for effect in effects {
            switch effect {
            case .clearStaging: keep { () throws(FileError) in try world.clearStaging(name) }
            case .discardQuarantine: keep { () throws(FileError) in try world.discardQuarantine(name) }
            case .abandonOrder(let order): recorder.abandon(order)
            case .note(let kind, let error): note(kind, context, error: error)
            }
        }
    }

    /// Does something with state; a failure is reported, and makes the run one that failed.
    func keep(_ body: () throws(FileError) -> Void) {
        do throws(FileError) {
            try body()
        } catch {
            recorder.update { $0.stateFailed = true }
            report(.stateFailed("\(error)"))
        }
    }

    func note(_ kind: HistoryEvent.Kind, _ context: LineageContext, error: String? = nil) {
        let hasPredecessor = kind == .installed || kind == .rolledBack
        let event = HistoryEvent(
            at: world.now, by: initiator, lineage: context.name, event: kind,
            from: hasPredecessor ? context.subject.leaf?.serial : nil, to: context.state.host.live.version?.serial,
            error: error, seconds: ((world.uptime - context.startedAt) / .milliseconds(1)).rounded() / 1000)
        // Thousands may be adopted by one run.
        if kind == .adopted { return recorder.hold(event) }
        keep { () throws(FileError) in try world.append([event], isDurable: true) }
    }

    func fail(_ context: inout LineageContext, _ failure: RenewalFailure) {
        report(.failed(name: context.name, failure))
        context.outcome = .failed(failure)
    }
}

extension LineageState {
    /// Whether nothing would be lost with the file but what the config directory and the endpoints tell again.
    fileprivate var isRediscoverable: Bool {
        guard acquisition == .idle, revoked == nil, omitted == nil, host.move == nil, host.quarantine == nil,
            !host.notified.isFailure
        else {
            return false
        }
        switch host.live {
        case .unknown, .adopted: return true
        case .installed(_, let rollout): return !rollout.isPending && rollout.hooks.isEmpty && rollout.trial == .passed
        }
    }
}

/// What comes together in a run, from whatever lane.
final class RunRecorder: Sendable {
    private struct State {
        var report = RunReport()
        var history: [HistoryEvent] = []
        var abandoned: [SavedOrder] = []
    }
    private let state = Mutex(State())

    @discardableResult func update<T: Sendable>(_ body: (inout RunReport) -> T) -> T {
        state.withLock { body(&$0.report) }
    }

    /// Keeps an event for the end of the run.
    func hold(_ event: HistoryEvent) { state.withLock { $0.history.append(event) } }

    func takeHistory() -> [HistoryEvent] {
        state.withLock { state in
            defer { state.history = [] }
            return state.history
        }
    }

    func abandon(_ order: SavedOrder) { state.withLock { $0.abandoned.append(order) } }

    func takeAbandoned() -> [SavedOrder] {
        state.withLock { state in
            defer { state.abandoned = [] }
            return state.abandoned
        }
    }
}
