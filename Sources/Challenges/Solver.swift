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
        try solver(for: names, options.proof, webroot: options.webroot, settings)
    }

    /// The same, for methods that no renewal config has yet.
    ///
    /// - Parameter webroot: the directory for a name's challenge files.
    package static func solver(
        for names: [SubjectName], _ plan: ProofPlan, webroot: (SubjectName) -> String?, _ settings: ChallengeSettings
    ) throws -> any ChallengeSolver {
        if let reason = plan.reasonUnproven(names) { throw Unproven(description: reason) }
        var solvers: [any ChallengeSolver] = []
        for (method, share) in plan.shares(of: names) {
            solvers.append(try solver(method, for: share, webroot, settings))
        }
        return solvers.count == 1 ? solvers[0] : ComposedSolver(solvers)
    }

    static func solver(
        _ method: ProofMethod, for names: [SubjectName], _ webroot: (SubjectName) -> String?,
        _ settings: ChallengeSettings
    ) throws -> any ChallengeSolver {
        let program: SolverProgram
        switch method {
        case .webroot:
            var webroots: [SubjectName: String] = [:]
            for name in names { webroots[name] = webroot(name) }
            return try WebrootSolver(webroots: webroots, names: names)
        case .standalone(let address, let port): return StandaloneSolver(address: address, port: port, settings)
        case .stateless: return StatelessSolver()
        case .certbotPlugin(let name, let options):
            program = try SolverProgram(certbotPlugin: name, options: options, settings)
        case .manualHooks(let auth, let cleanup, _):
            program = try SolverProgram(manualHooks: auth, cleanup: cleanup, settings)
        case .program(let path, let credentials):
            program = try SolverProgram(path: path, credentials: credentials, settings)
        }
        return ProgramSolver(program, method: method, settings)
    }
}
