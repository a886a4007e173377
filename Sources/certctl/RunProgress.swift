import FoundationEssentials
import Glibc
import Synchronization
import Text

/// The lines at the foot of a terminal that move along with a run: one for each lineage at work and for a hook, with its stage and
/// the time it has taken. What is printed for good stands above them.
final class RunProgress: Sendable {
    private struct Line {
        let name: String
        var stage: String
        let started: ContinuousClock.Instant
        /// What the stage may take, and since when it takes it; nil if that has no bound worth showing.
        var wait: (since: ContinuousClock.Instant, limit: Duration)?
    }

    private struct State {
        var lines: [Line] = []
        /// How many lines of the screen are taken.
        var drawn = 0
        var isTicking = false
    }

    private let state = Mutex(State())
    private let screen: Screen

    init(_ screen: Screen) { self.screen = screen }

    /// The clock's hand moves that often.
    private static let tick: Duration = .milliseconds(200)
    /// More lines than this would push what was said off the screen.
    private static let mostLines = 8

    /// Shows a stage of something at work, which is new or known by its name.
    ///
    /// - Parameter limit: how long the stage may take.
    func show(_ name: String, _ stage: String, limit: Duration? = nil) {
        let wait = limit.map { (since: ContinuousClock.now, limit: $0) }
        let mustTick = state.withLock { state in
            if let index = state.lines.firstIndex(where: { $0.name == name }) {
                (state.lines[index].stage, state.lines[index].wait) = (stage, wait)
            } else {
                state.lines.append(Line(name: name, stage: stage, started: .now, wait: wait))
            }
            redraw(&state)
            defer { state.isTicking = true }
            return !state.isTicking
        }
        if mustTick { startTicking() }
    }

    /// It is at work no more; gives how long it was.
    @discardableResult func end(_ name: String) -> Duration? {
        state.withLock { state in
            guard let index = state.lines.firstIndex(where: { $0.name == name }) else { return nil }
            let started = state.lines.remove(at: index).started
            redraw(&state)
            return started.duration(to: .now)
        }
    }

    /// Prints something for good, above the lines that move.
    func print(_ write: () -> Void) {
        state.withLock { state in
            erase(&state)
            write()
            redraw(&state)
        }
    }

    private func startTicking() {
        Task.detached { [self] in
            while true {
                try? await Task.sleep(for: RunProgress.tick)
                let goesOn = state.withLock { state in
                    if state.lines.isEmpty { state.isTicking = false } else { redraw(&state) }
                    return state.isTicking
                }
                if !goesOn { return }
            }
        }
    }

    private func erase(_ state: inout State) {
        let erasure = RunProgress.erasure(state)
        if !erasure.isEmpty { StandardError.write(erasure) }
        state.drawn = 0
    }

    /// Goes up to the first line that moves, and clears from there.
    private static func erasure(_ state: State) -> String { state.drawn > 0 ? "\u{1B}[\(state.drawn)F\u{1B}[J" : "" }

    /// All at once: a terminal that draws between two writes would flicker.
    private func redraw(_ state: inout State) {
        let shown = state.lines.suffix(RunProgress.mostLines)
        let longest = shown.map(\.name.plain.columns).max() ?? 0
        var lines = shown.map { text($0, nameWidth: longest) }
        if shown.count < state.lines.count { lines.insert("  and \(state.lines.count - shown.count) more", at: 0) }
        let block = lines.map { Style.faint.text($0, on: screen) + "\n" }.joined()
        let erasure = RunProgress.erasure(state)
        if !(erasure + block).isEmpty { StandardError.write(erasure + block) }
        state.drawn = lines.count
    }

    /// `  one.example  the CA validates one.example …  0.3 s`: stages stand below each other, and a narrow screen cuts them, not the time.
    private func text(_ line: Line, nameWidth: Int) -> String {
        let took = (line.started.duration(to: .now) / .milliseconds(100)).rounded(.down) / 10
        let time = " …  \(took) s"
        // The last column stays free: a terminal may wrap there.
        let room = (screen.width ?? 80) - 1 - time.columns
        let name = line.name.plain
        let padding = String(repeating: " ", count: nameWidth - name.columns)
        let wait = line.wait.map { wait in
            " (\(Int(wait.since.duration(to: .now) / .seconds(1))) of \(Int(wait.limit / .seconds(1))) s)"
        }
        return "  \(name)\(padding)  \(line.stage.plain)\(wait ?? "")".prefix(columns: max(0, room)) + time
    }
}
