package import ACME
package import PKI

/// Several solvers for one order: each name is for the first that can prove it, which is settled before anything is ordered.
package struct ComposedSolver: ChallengeSolver {
    private let solvers: [any ChallengeSolver]

    /// - Parameter solvers: in the order of preference.
    package init(_ solvers: [any ChallengeSolver]) { self.solvers = solvers }

    package func challengeType(for name: SubjectName) -> String? {
        solvers.lazy.compactMap { $0.challengeType(for: name) }.first
    }

    package func present(_ challenges: [PendingChallenge]) async throws {
        for (solver, share) in shares(of: challenges) { try await solver.present(share) }
    }

    package func wait(_ challenges: [PendingChallenge]) async throws {
        for (solver, share) in shares(of: challenges) { try await solver.wait(share) }
    }

    package func cleanUp(_ challenges: [PendingChallenge]) async {
        for (solver, share) in shares(of: challenges) { await solver.cleanUp(share) }
    }

    /// Who is to prove what, in the order of the solvers: lanes that take locks take them in one order.
    private func shares(of challenges: [PendingChallenge]) -> [(any ChallengeSolver, [PendingChallenge])] {
        var shares = solvers.map { ($0, [PendingChallenge]()) }
        for challenge in challenges {
            guard let index = solvers.firstIndex(where: { $0.challengeType(for: challenge.name) != nil }) else {
                continue
            }
            shares[index].1.append(challenge)
        }
        return shares.filter { !$0.1.isEmpty }
    }
}
