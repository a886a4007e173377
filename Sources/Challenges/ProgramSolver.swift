package import ACME
package import Lineages
package import PKI
import Synchronization

/// Proves names through a program that makes and removes DNS records, or whatever its hooks do: one process for an order, from
/// the first record to the last clean-up.
package struct ProgramSolver: ChallengeSolver {
    private let method: ProofMethod
    private let program: SolverProgram
    private let settings: ChallengeSettings
    private let state = State()

    /// A TXT record, and what it is to say (RFC 8555 §8.4).
    struct TextRecord: Hashable, Sendable {
        let name: String
        let value: String
    }

    /// What stands between the calls for one order.
    private final class State: Sendable {
        let session = Mutex<ProgramSession?>(nil)
        /// Whether there was a call of `present`, which may have come to nothing.
        let isPresenting = Mutex(false)
        let records = Mutex<[PendingChallenge: TextRecord]>([:])
        let locked = Mutex<Set<String>>([])
    }

    /// - Parameter method: which names it proves, and by which type of challenge.
    package init(_ program: SolverProgram, method: ProofMethod, _ settings: ChallengeSettings) {
        (self.program, self.method, self.settings) = (program, method, settings)
    }

    /// Starts the program, and asks whether it has what it needs; nothing is changed.
    ///
    /// - Throws: in the program's own words, what it lacks.
    func check(within limit: Duration) async throws { try await program.check(within: limit) }

    package func challengeType(for name: SubjectName) -> String? { method.challengeType(for: name) }

    package func present(_ challenges: [PendingChallenge]) async throws {
        state.isPresenting.withLock { $0 = true }
        let records = try await records(of: challenges)
        state.records.withLock { $0 = records }
        let resources = Set(records.values.map(\.name))
        try await settings.locks.take(resources)
        state.locked.withLock { $0 = resources }
        let session = ProgramSession(program, settings)
        state.session.withLock { $0 = session }
        try await ProgramSolver.blaming(challenges) { () throws(ProgramSession.Failure) in try await session.start() }
        for challenge in challenges {
            let line = ProgramSolver.line(challenge, records[challenge])
            try await ProgramSolver.blaming([challenge]) { () throws(ProgramSession.Failure) in
                try await session.present(line)
            }
        }
    }

    package func wait(_ challenges: [PendingChallenge]) async throws {
        guard let session = state.session.withLock({ $0 }) else { return }
        try await ProgramSolver.blaming(challenges) { () throws(ProgramSession.Failure) in try await session.wait() }
        let records = state.records.withLock { $0 }
        try await Propagation(settings).wait(for: challenges.compactMap { records[$0] })
    }

    package func cleanUp(_ challenges: [PendingChallenge]) async {
        let session = state.session.withLock { session in
            defer { session = nil }
            return session
        }
        if let session {
            await cleanUp(challenges, by: session, isNew: false)
        } else if !state.isPresenting.withLock({ $0 }) {
            // A run that was killed has presented them.
            await cleanUp(challenges, by: ProgramSession(program, settings), isNew: true)
        }
        let locked = state.locked.withLock { locked in
            defer { locked = [] }
            return locked
        }
        await settings.locks.release(locked)
    }

    private func cleanUp(_ challenges: [PendingChallenge], by session: ProgramSession, isNew: Bool) async {
        var records = state.records.withLock { $0 }
        do {
            if isNew {
                records = try await self.records(of: challenges)
                try await session.start()
            }
            for challenge in challenges where await session.isUsable {
                try await session.cleanUp(ProgramSolver.line(challenge, records[challenge]))
            }
        } catch {
            settings.report(
                "what was presented for \(challenges.map(\.name.description).joined(separator: ", ")) may be left: \(error)"
            )
        }
        await session.end()
    }

    /// The record of each dns-01 challenge. Where the DNS does not say where it has to be, it is that of the name itself.
    private func records(of challenges: [PendingChallenge]) async throws -> [PendingChallenge: TextRecord] {
        var records: [PendingChallenge: TextRecord] = [:]
        for challenge in challenges where challenge.type == "dns-01" {
            let value = Base64URL.encode(try Digest.sha256(Array(challenge.keyAuthorization.utf8)))
            let own = ChallengeDNS.ownRecord(of: challenge.identifierValue)
            do throws(ChallengeDNS.Failure) {
                records[challenge] = TextRecord(name: try await settings.dns.followed(own), value: value)
            } catch {
                if error.isLoop { throw ChallengeFailure(challenge.name, reason: error.description) }
                settings.report("whether \(own) is a CNAME is not known: \(error)")
                records[challenge] = TextRecord(name: own, value: value)
            }
        }
        return records
    }

    /// `TYPE NAME RECORD VALUE TOKEN KEY-AUTHORIZATION`
    static func line(_ challenge: PendingChallenge, _ record: TextRecord?) -> String {
        let place = record?.name ?? "/.well-known/acme-challenge/\(challenge.token)"
        return [
            challenge.type, challenge.identifierValue, place, record?.value ?? challenge.keyAuthorization,
            challenge.token, challenge.keyAuthorization,
        ].joined(separator: " ")
    }

    private static func blaming(
        _ challenges: [PendingChallenge], _ body: () async throws(ProgramSession.Failure) -> Void
    ) async throws(ChallengeFailure) {
        do throws(ProgramSession.Failure) {
            try await body()
        } catch {
            throw ChallengeFailure(names: challenges.map(\.name.description), reason: error.description)
        }
    }
}
