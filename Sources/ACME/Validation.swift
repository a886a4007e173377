import PKI

/// The middle of an issuance: control of the names is proven (RFC 8555 §7.5).
extension Issuance {
    /// Proves control of every name that the CA still wants proven, and waits until the order can be finalized.
    func validated(_ placed: PlacedOrder) async throws(ACMEError) -> Order {
        let order = placed.order
        guard order.status == .pending else { return order }
        var answers: [Answer] = []
        let stopwatch = client.session.stopwatch()
        for url in order.authorizations {
            try require(stopwatch, placed)
            let authorization = try await authorization(url)
            switch authorization.status {
            case .valid: continue
            case .pending: answers.append(try answer(to: authorization, at: url))
            case .invalid where !placed.isResumed:
                throw .authorizationFailed([ACMEError.Refusal(authorization)])
            // It failed in an earlier run: another order gets another authorization.
            case .invalid, .deactivated, .expired, .revoked:
                throw .authorizationGone(url: url, ACMEError.Refusal(authorization))
            }
        }
        let result: Result<Order, ACMEError>
        do throws(ACMEError) {
            if !answers.isEmpty {
                try await show(answers.map(\.challenge))
                report(.validating(names: answers.map(\.challenge.name.description).sorted()))
            }
            let stopwatch = client.session.stopwatch()
            for answer in answers {
                try require(stopwatch, placed)
                try await start(answer)
            }
            result = .success(try await watched(answers, placed))
        } catch {
            result = .failure(await explained(error, order))
        }
        if !answers.isEmpty { await cleanUp(answers.map(\.challenge)) }
        return try result.get()
    }

    /// Ends what has taken too long before the order could be polled at all.
    private func require(_ stopwatch: Stopwatch, _ placed: PlacedOrder) throws(ACMEError) {
        let elapsed = stopwatch.elapsed
        guard elapsed < OrderPoll.preparation else {
            throw .stillPending(url: placed.url, status: placed.status, waited: elapsed)
        }
    }

    /// Polls the order until it is no longer pending, and after a second its authorizations as well.
    private func watched(_ answers: [Answer], _ placed: PlacedOrder) async throws(ACMEError) -> Order {
        var watch = ValidationWatch()
        var waiting = answers
        return try await poll(placed.url, while: [.pending], for: OrderPoll.validation) {
            elapsed throws(ACMEError) in
            guard watch.isDue(after: elapsed) else { return }
            waiting = try await look(at: waiting, &watch)
        }
    }

    /// Looks at authorizations and returns those that are not valid yet.
    ///
    /// - Throws: what the CA says of the names that have failed.
    private func look(at answers: [Answer], _ watch: inout ValidationWatch) async throws(ACMEError) -> [Answer] {
        var (waiting, failed): ([Answer], [ACMEError.Refusal]) = ([], [])
        for answer in answers {
            let authorization = try await authorization(answer.authorizationURL)
            switch watch.finding(authorization, challenge: answer.url) {
            case .valid: continue
            case .waiting: waiting.append(answer)
            case .failed(let refusal): failed.append(refusal)
            case .gone(let refusal): throw .authorizationGone(url: answer.authorizationURL, refusal)
            case .again(let refusal):
                waiting.append(answer)
                if try await !isToldAgain(answer) { failed.append(refusal) }
            }
        }
        guard failed.isEmpty else { throw .authorizationFailed(failed) }
        return waiting
    }

    /// Tells the CA once more to look; false where it does not want to.
    private func isToldAgain(_ answer: Answer) async throws(ACMEError) -> Bool {
        do throws(ACMEError) {
            try await client.ready(answer.url)
            return true
        } catch {
            guard case .refused(let problem, _) = error, !problem.isTemporary else { throw error }
            return false
        }
    }

    /// Presents all answers, and returns when the CA can see them.
    private func show(_ challenges: [PendingChallenge]) async throws(ACMEError) {
        let names = challenges.map(\.name.description).sorted()
        do {
            report(.presenting(challenges))
            try await solver.present(challenges)
            report(.waiting(names: names))
            try await solver.wait(challenges)
        } catch let failure as ChallengeFailure {
            throw .notPresented(failure)
        } catch {
            throw Task.isCancelled ? .cancelled : .notPresented(ChallengeFailure(names: names, reason: "\(error)"))
        }
        if Task.isCancelled { throw .cancelled }
    }

    /// Takes the answers away, also when this task was cancelled: a cancelled task could start no process and send no request.
    private func cleanUp(_ challenges: [PendingChallenge]) async {
        await Task { [solver] in await solver.cleanUp(challenges) }.value
    }

    /// Takes away what an earlier run, cut short, has left for this order's challenges.
    func cleanUpLeftovers(of order: Order) async {
        var challenges: [PendingChallenge] = []
        for url in order.authorizations {
            guard let authorization = try? await client.authorization(url) else { continue }
            challenges += (try? leftovers(of: authorization)) ?? []
        }
        if !challenges.isEmpty { await cleanUp(challenges) }
    }

    private func leftovers(of authorization: Authorization) throws(ACMEError) -> [PendingChallenge] {
        guard let name = SubjectName(authorization.name), let type = solver.challengeType(for: name) else { return [] }
        let thumbprint = try client.thumbprint()
        return authorization.challenges.filter { $0.type == type }
            .map { PendingChallenge(name, authorization, $0, thumbprint: thumbprint) }
    }

    /// An authorization of the order; that the CA does not have it any more is an error of its own.
    func authorization(_ url: String) async throws(ACMEError) -> Authorization {
        do throws(ACMEError) {
            return try await client.authorization(url)
        } catch {
            guard case .refused(let problem, _) = error, problem.saysGone else { throw error }
            throw .authorizationGone(url: url, ACMEError.Refusal(name: nil, problem: problem))
        }
    }

    /// Tells the CA to look. Where the answer to that got lost, the repetition may be refused because it looks already.
    private func start(_ answer: Answer) async throws(ACMEError) {
        do throws(ACMEError) {
            try await client.ready(answer.url)
        } catch {
            guard case .refused(let problem, _) = error, problem.type == "malformed" else { throw error }
            let authorization = try await client.authorization(answer.authorizationURL)
            let challenge = authorization.challenges.first { $0.url == answer.url }
            guard authorization.status != .pending || (challenge?.status ?? "pending") != "pending" else { throw error }
        }
    }

    private struct Answer {
        let authorizationURL: String
        /// Where the CA learns that the answer is there.
        let url: String
        let challenge: PendingChallenge
    }

    private func answer(to authorization: Authorization, at url: String) throws(ACMEError) -> Answer {
        guard let name = SubjectName(authorization.name), let type = solver.challengeType(for: name),
            let challenge = authorization.challenges.first(where: { $0.type == type })
        else { throw .noChallenge(name: authorization.name, offered: authorization.offeredTypes) }
        return Answer(
            authorizationURL: url, url: challenge.url,
            challenge: PendingChallenge(name, authorization, challenge, thumbprint: try client.thumbprint()))
    }

    /// An invalid order rarely says why; its authorizations do. Where they do not either, the order's error stands.
    func explained(_ error: ACMEError, _ order: Order) async -> ACMEError {
        guard case .orderInvalid = error else { return error }
        var refusals: [ACMEError.Refusal] = []
        var gone: ACMEError?
        for url in order.authorizations {
            guard let authorization = try? await client.authorization(url) else { continue }
            switch authorization.status {
            case .invalid: refusals.append(ACMEError.Refusal(authorization))
            case .deactivated, .expired, .revoked:
                gone = gone ?? .authorizationGone(url: url, ACMEError.Refusal(authorization))
            case .pending, .valid: break
            }
        }
        return refusals.isEmpty ? gone ?? error : .authorizationFailed(refusals)
    }
}

extension PendingChallenge {
    fileprivate init(
        _ name: SubjectName, _ authorization: Authorization, _ challenge: Challenge, thumbprint: String
    ) {
        self.init(
            name: name, identifierValue: authorization.baseName, type: challenge.type, token: challenge.token,
            keyAuthorization: "\(challenge.token).\(thumbprint)")
    }
}

extension ACMEError.Refusal {
    init(_ authorization: Authorization) {
        let failed = authorization.challenges.first { $0.error != nil }
        self.init(
            name: authorization.name,
            problem: failed?.error
                ?? Problem(type: nil, detail: "the authorization is \(authorization.status.rawValue)"),
            challenge: failed?.type)
    }
}
