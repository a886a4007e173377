package import ACME
package import Lineages
package import PKI

/// What proves the names of a lineage.
package enum Challenges {
    /// Why names cannot be proven.
    package struct Unproven: Error, Sendable, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// The solver for an order, decided before it is placed: each name is for the first method of the lineage's that can prove it.
    ///
    /// One solver is for one order: it may have a process or a listener between ``ChallengeSolver/present(_:)`` and
    /// ``ChallengeSolver/cleanUp(_:)``. Nothing is started or written here.
    ///
    /// - Throws: ``Unproven``, `WebrootSolver.Failure`, `SolverProgram.Failure`.
    package static func solver(
        for names: [SubjectName], options: RenewalOptions, _ settings: ChallengeSettings
    ) throws -> any ChallengeSolver {
        if let reason = options.proof.reasonUnproven(names) { throw Unproven(description: reason) }
        var solvers: [any ChallengeSolver] = []
        for method in options.proof.methods {
            let share = names.filter { options.proof.method(for: $0) == method }
            guard !share.isEmpty else { continue }
            solvers.append(try solver(method, for: share, options, settings))
        }
        return solvers.count == 1 ? solvers[0] : ComposedSolver(solvers)
    }

    private static func solver(
        _ method: ProofMethod, for names: [SubjectName], _ options: RenewalOptions, _ settings: ChallengeSettings
    ) throws -> any ChallengeSolver {
        switch method {
        case .webroot:
            var webroots: [SubjectName: String] = [:]
            for name in names { webroots[name] = options.webroot(for: name) }
            return try WebrootSolver(webroots: webroots, names: names)
        case .standalone(let address, let port): return StandaloneSolver(address: address, port: port, settings)
        case .stateless: return StatelessSolver()
        case .certbotPlugin(let name, let pluginOptions):
            let program = try SolverProgram(certbotPlugin: name, options: pluginOptions, settings)
            return ProgramSolver(program, method: method, settings)
        case .manualHooks(let auth, let cleanup, _):
            return ProgramSolver(
                try SolverProgram(manualHooks: auth, cleanup: cleanup, settings), method: method, settings)
        case .program(let path, let credentials):
            return ProgramSolver(
                try SolverProgram(path: path, credentials: credentials, settings), method: method, settings)
        }
    }
}
