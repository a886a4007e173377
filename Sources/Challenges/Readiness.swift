package import Lineages
package import PKI

/// What keeps a method from proving names, as far as it can be seen before anything is ordered.
package enum ProofObstacle: Error, Sendable, Equatable {
    case credentialsMissing(path: String, of: String)
    case credentialsReadable(path: String, mode: UInt32)
    case credentialsUnusable(FileError)
    /// In the words of the program, which name what is to be installed; and whether it is a plugin without a credentials file.
    case programUnusable(String, isWithoutCredentials: Bool)
    /// In the system's words; the holder of a port that is taken, where it can be seen.
    case portUnusable(String, isTaken: Bool, holder: String?)
}

extension Challenges {
    /// How long a program may take to say whether it has what it needs.
    private static let checkTimeout: Duration = .seconds(60)

    /// Checks that what the methods need is there: webroots, credentials, programs, a free port. Programs are started and asked;
    /// nothing is changed, and nothing outside this host is asked.
    ///
    /// - Parameters:
    ///   - webroot: the directory for a name's challenge files.
    ///   - hasPreHook: whether a hook runs before: a port that is taken now may be free then.
    /// - Throws: ``ProofObstacle``, and what ``solver(for:options:_:)`` throws.
    package static func requireReady(
        _ plan: ProofPlan, for names: [SubjectName], webroot: (SubjectName) -> String?, hasPreHook: Bool,
        _ settings: ChallengeSettings
    ) async throws {
        if let reason = plan.reasonUnproven(names) { throw Unproven(description: reason) }
        for (method, share) in plan.shares(of: names) {
            if let path = method.credentials { try requirePrivate(path, of: method.title) }
            let solver = try solver(method, for: share, webroot, settings)
            if let solver = solver as? ProgramSolver {
                do {
                    try await solver.check(within: checkTimeout)
                } catch {
                    let isPlugin = if case .certbotPlugin = method { true } else { false }
                    throw ProofObstacle.programUnusable(
                        "\(error)", isWithoutCredentials: isPlugin && method.credentials == nil)
                }
            }
            if case .standalone(let address, let port) = method, !hasPreHook,
                let obstacle = await StandaloneSolver.obstacle(address: address, port: port)
            {
                throw ProofObstacle.portUnusable(obstacle.reason, isTaken: obstacle.isTaken, holder: obstacle.holder)
            }
        }
    }

    private static func requirePrivate(_ path: String, of title: String) throws(ProofObstacle) {
        let status: FileSystem.Status?
        do throws(FileError) {
            status = try FileSystem.status(path, followingLinks: true)
        } catch {
            throw .credentialsUnusable(error)
        }
        guard let status, status.kind == .file else { throw .credentialsMissing(path: path, of: title) }
        guard status.mode & 0o004 == 0 else { throw .credentialsReadable(path: path, mode: status.mode) }
    }
}
