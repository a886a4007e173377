import ACME
import Deployment

/// A program between its start and its end, for one order: it speaks the line protocol of `docs/dns.md`.
///
/// A request is a line, and so is its answer: `ok`, perhaps with a warning, or `error` and why. A program that does not answer in
/// time, or ends, is not asked again: the end of its input makes it clean up.
actor ProgramSession {
    /// Why a request was not met.
    struct Failure: Error, Sendable, CustomStringConvertible {
        let description: String
    }

    /// For requests that need no other host.
    static let shortTimeout: Duration = .seconds(60)
    /// For the clean-up that follows the end of input.
    static let endTimeout: Duration = .seconds(60)
    /// Of what a program has printed, shown with its failure.
    private static let mostLines = 20

    private let program: SolverProgram
    private let process: LineProgram
    private let settings: ChallengeSettings
    private var isStarted = false
    private var isBroken = false

    init(_ program: SolverProgram, _ settings: ChallengeSettings) {
        (self.program, self.settings) = (program, settings)
        process = LineProgram(
            program.launcher.launch(
                program.command, confinement: program.confinement, limit: ProgramSession.limit(settings)))
    }

    /// An upper bound on the whole session.
    private static func limit(_ settings: ChallengeSettings) -> Duration {
        settings.programTimeout * 3 + settings.propagationTimeout + endTimeout
    }

    /// Whether it can still be asked for something.
    var isUsable: Bool { isStarted && !isBroken }

    /// Starts the program, gives it its options, and asks whether it has what it needs.
    ///
    /// - Parameter limit: of each answer.
    func start(within limit: Duration = shortTimeout) async throws(Failure) {
        isStarted = true
        for (key, value) in program.options { try await ask("option \(key) \(value)", limit) }
        try await ask("check", limit)
    }

    func present(_ line: String) async throws(Failure) { try await ask("present \(line)", settings.programTimeout) }

    func wait() async throws(Failure) { try await ask("wait", settings.programTimeout) }

    func cleanUp(_ line: String) async throws(Failure) { try await ask("cleanup \(line)", settings.programTimeout) }

    /// Closes the program's input and waits for its end.
    func end() async { await process.end(within: min(settings.programTimeout, ProgramSession.endTimeout)) }

    private func ask(_ line: String, _ limit: Duration) async throws(Failure) {
        guard !isBroken else { throw Failure(description: "\(program.title) was not asked any more") }
        let answer: String
        do throws(LineProgram.Failure) {
            answer = try await process.ask(line, within: limit)
        } catch {
            isBroken = true
            throw failure("\(program.title) \(error)")
        }
        if answer == "ok" { return }
        if answer.hasPrefix("ok ") { return settings.report("\(program.title): \(answer.dropFirst("ok ".count))") }
        let words =
            answer.hasPrefix("error") ? answer.dropFirst("error".count).drop { $0 == " " } : "answered: \(answer)"
        throw failure("\(program.title): \(words.isEmpty ? "an error that it does not name" : words)")
    }

    /// A failure, before which what the program has printed is reported.
    private func failure(_ text: String) -> Failure {
        let lines = process.output.split(whereSeparator: \.isNewline).suffix(ProgramSession.mostLines)
        for line in lines { settings.report("\(program.title): \(line)") }
        guard let last = lines.last(where: { line in line.contains { !$0.isWhitespace } }), !text.contains(last) else {
            return Failure(description: text)
        }
        return Failure(description: "\(text) (it printed: \(last))")
    }
}

extension SolverProgram {
    /// Starts the program, and asks whether it has what it needs; nothing is changed.
    ///
    /// - Throws: in the program's own words, what it lacks.
    package func check(within limit: Duration) async throws {
        var settings = ChallengeSettings()
        settings.programTimeout = limit
        let session = ProgramSession(self, settings)
        do {
            try await session.start(within: limit)
            await session.end()
        } catch {
            await session.end()
            throw error
        }
    }
}
