package import ACME
package import PKI
import Synchronization

/// Answers http-01 itself, on a port that is its own for as long as the CA looks (certbot's `standalone`).
package struct StandaloneSolver: ChallengeSolver {
    private let address: String?
    private let port: Int
    private let settings: ChallengeSettings
    private let state = State()

    private final class State: Sendable {
        let listener = Mutex<ChallengeListener?>(nil)
        let isLocked = Mutex(false)
    }

    /// - Parameter address: an IP address; nil is all of this host's.
    package init(address: String?, port: Int, _ settings: ChallengeSettings) {
        (self.address, self.port, self.settings) = (address, port, settings)
    }

    /// What two lanes must not use at once.
    private var resources: Set<String> { ["port \(port)"] }

    package func challengeType(for name: SubjectName) -> String? { name.isWildcard ? nil : "http-01" }

    package func present(_ challenges: [PendingChallenge]) async throws {
        try await settings.locks.take(resources)
        state.isLocked.withLock { $0 = true }
        let answers = Dictionary(challenges.map { ($0.token, $0.keyAuthorization) }) { first, _ in first }
        do throws(ChallengeListener.Failure) {
            let listener = try ChallengeListener(address: address, port: port, answers: answers)
            state.listener.withLock { $0 = listener }
        } catch {
            throw ChallengeFailure(
                names: challenges.map(\.name.description), reason: await reason(error))
        }
    }

    package func cleanUp(_ challenges: [PendingChallenge]) async {
        state.listener.withLock { listener in
            listener?.stop()
            listener = nil
        }
        let wasLocked = state.isLocked.withLock { isLocked in
            defer { isLocked = false }
            return isLocked
        }
        if wasLocked { await settings.locks.release(resources) }
    }

    /// What keeps an address and port from being listened on at this moment; nil where nothing does. It is tried, and left at once.
    ///
    /// - Returns: the reason, and the program that has the port, where that is the reason and it can be seen.
    package static func obstacle(address: String?, port: Int) async -> (reason: String, isTaken: Bool, holder: String?)?
    {
        do throws(ChallengeListener.Failure) {
            try ChallengeListener.tryListening(address: address, port: port)
            return nil
        } catch {
            let solver = StandaloneSolver(address: address, port: port, ChallengeSettings())
            return (error.description, error.isTaken, error.isTaken ? await solver.holder : nil)
        }
    }

    private func reason(_ failure: ChallengeListener.Failure) async -> String {
        guard failure.isTaken else { return failure.description }
        guard let holder = await holder else { return "\(failure.description); stop what listens there in a pre hook" }
        return "\(failure.description): \(holder) listens there; stop it in a pre hook, and start it in a post hook"
    }

    /// The program that has the port.
    private var holder: String? {
        get async {
            let port = port
            let facts = await OffThread.value(within: .seconds(10)) { ListenerFacts.look(at: [port]) } ?? nil
            if let owner = facts?.listeners.lazy.compactMap(\.owner).first {
                return "\(owner.name) (process \(owner.pid))"
            }
            return await settings.portHolder(port)
        }
    }
}
