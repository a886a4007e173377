/// What the authorizations of an order say while the CA validates, and when to look at them.
///
/// The order alone does not always tell. RFC 8555 §7.1.6 has an order become invalid with any of its authorizations, but
/// acme2certifier leaves it pending; and smallstep leaves even a failed challenge pending, with the error in it, for the
/// client to try again (§8.2).
struct ValidationWatch {
    /// Until then the order alone is polled: most CAs are done by then, and an order is one request where its authorizations are
    /// many.
    static let firstLook: Duration = .seconds(1)
    /// The intervals double up to this.
    static let longestInterval: Duration = .seconds(30)
    /// How often the challenge is sent again: with the looks 1, 3, 7 and 15 seconds after the beginning, what was away for a few
    /// seconds recovers, and what stays away costs a quarter of a minute.
    static let mostRepetitions = 3

    private var next: Duration = ValidationWatch.firstLook
    private var interval: Duration = .seconds(2)
    private var repetitions: [String: Int] = [:]

    /// What is to be done about one authorization.
    enum Finding {
        case valid
        case waiting
        /// Its challenge has failed and may be tried again: tell the CA once more.
        case again(ACMEError.Refusal)
        case failed(ACMEError.Refusal)
        /// It was taken away meanwhile.
        case gone(ACMEError.Refusal)
    }

    /// Whether the authorizations are to be looked at now.
    mutating func isDue(after elapsed: Duration) -> Bool {
        guard elapsed >= next else { return false }
        next = elapsed + interval
        interval = min(interval * 2, ValidationWatch.longestInterval)
        return true
    }

    /// Judges one look.
    ///
    /// - Parameter url: of the challenge that was answered.
    mutating func finding(_ authorization: Authorization, challenge url: String) -> Finding {
        switch authorization.status {
        case .valid: return .valid
        case .invalid: return .failed(ACMEError.Refusal(authorization))
        case .deactivated, .expired, .revoked: return .gone(ACMEError.Refusal(authorization))
        case .pending: break
        }
        let challenge = authorization.challenges.first { $0.url == url }
        let refusal = ACMEError.Refusal(name: authorization.name, problem: challenge?.error, challenge: challenge?.type)
        switch (challenge?.status ?? "pending", challenge?.error) {
        case ("invalid", _): return .failed(refusal)
        case ("pending", .some):
            let count = repetitions[url, default: 0]
            guard count < ValidationWatch.mostRepetitions else { return .failed(refusal) }
            repetitions[url] = count + 1
            return .again(refusal)
        default: return .waiting
        }
    }
}
