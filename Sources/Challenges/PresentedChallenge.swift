package import ACME
package import PKI

/// A challenge whose answer is about to be shown: to be saved before ``ChallengeSolver/present(_:)``, so that a later run can
/// take away what one that was killed left behind, with ``ChallengeSolver/cleanUp(_:)``.
///
/// Nothing in it is a secret: a key authorization is what anybody may read where it is shown.
package struct PresentedChallenge: Codable, Hashable, Sendable {
    /// The name that was ordered, with `*.` where it is for a whole level.
    package let name: String
    /// `http-01` or `dns-01`.
    package let type: String
    package let token: String
    package let keyAuthorization: String

    package init(_ challenge: PendingChallenge) {
        (name, type) = (challenge.name.description, challenge.type)
        (token, keyAuthorization) = (challenge.token, challenge.keyAuthorization)
    }

    /// What a solver takes; nil for what is no name, as in a file that somebody has edited.
    package var pending: PendingChallenge? {
        guard let name = SubjectName(name) else { return nil }
        let text = name.description
        return PendingChallenge(
            name: name, identifierValue: name.isWildcard ? String(text.dropFirst(2)) : text, type: type, token: token,
            keyAuthorization: keyAuthorization)
    }
}

/// A solver that has what it presents noted first, and struck out when it is taken away.
package struct RecordingSolver: ChallengeSolver {
    private let solver: any ChallengeSolver
    private let save: @Sendable ([PresentedChallenge]) throws -> Void

    /// - Parameter save: keeps a list in place of the one before, durably.
    package init(_ solver: any ChallengeSolver, save: @escaping @Sendable ([PresentedChallenge]) throws -> Void) {
        (self.solver, self.save) = (solver, save)
    }

    package func challengeType(for name: SubjectName) -> String? { solver.challengeType(for: name) }

    package func present(_ challenges: [PendingChallenge]) async throws {
        try save(challenges.map(PresentedChallenge.init))
        try await solver.present(challenges)
    }

    package func wait(_ challenges: [PendingChallenge]) async throws { try await solver.wait(challenges) }

    package func cleanUp(_ challenges: [PendingChallenge]) async {
        await solver.cleanUp(challenges)
        // Where it cannot be noted, the next run takes away what is not there any more.
        try? save([])
    }
}
