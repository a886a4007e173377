package import PKI

/// A challenge that waits for its answer.
package struct PendingChallenge: Hashable, Sendable {
    /// What the order asks for, with `*.` where it is for a whole level.
    package let name: SubjectName
    /// What the authorization is for: `name` without `*.` (RFC 8555 §7.1.4).
    package let identifierValue: String
    /// `http-01`, `dns-01`, `tls-alpn-01`.
    package let type: String
    /// The challenge's random part: base64url, so that it is safe as a file name (RFC 8555 §8.3).
    package let token: String
    /// `token.thumbprint`: what the account answers (RFC 8555 §8.1).
    package let keyAuthorization: String

    package init(
        name: SubjectName, identifierValue: String, type: String, token: String, keyAuthorization: String
    ) {
        (self.name, self.identifierValue, self.type) = (name, identifierValue, type)
        (self.token, self.keyAuthorization) = (token, keyAuthorization)
    }
}

/// Proves control of names: shows the answers to challenges where the CA will look for them, and takes them away again.
///
/// The three verbs are called in this order, each once for an order: all names are presented, then all are waited for, then
/// the CA is asked to look.
package protocol ChallengeSolver: Sendable {
    /// The type of challenge with which it proves a name; nil where it cannot prove it. Asked before anything is ordered.
    func challengeType(for name: SubjectName) -> String?

    /// Shows the answers to all challenges of an order that are not validated yet.
    ///
    /// - Throws: ``ChallengeFailure`` where one name is to blame; ``cleanUp(_:)`` follows with the same challenges.
    func present(_ challenges: [PendingChallenge]) async throws

    /// Returns when the CA can see all answers, such as when DNS servers have them all. http-01 has nothing to wait for.
    ///
    /// - Throws: ``ChallengeFailure`` as ``present(_:)`` does.
    func wait(_ challenges: [PendingChallenge]) async throws

    /// Takes away whatever was presented, also what was presented by halves or by a run that was killed; an answer that is
    /// not there is no fault. Called once after every ``present(_:)``, also when the task was cancelled: not in the
    /// cancelled task then.
    func cleanUp(_ challenges: [PendingChallenge]) async
}

extension ChallengeSolver {
    package func wait(_ challenges: [PendingChallenge]) async throws {}
}

/// An answer could not be shown, or was not seen where the CA will look for it.
package struct ChallengeFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The names that it is about, as they were ordered.
    package let names: [String]
    package let reason: String

    package init(names: [String], reason: String) { (self.names, self.reason) = (names, reason) }

    package init(_ name: SubjectName, reason: String) { self.init(names: [name.description], reason: reason) }

    package var description: String {
        let most = 3
        let shown = names.prefix(most).joined(separator: ", ")
        let more = names.count > most ? " and \(names.count - most) more names" : ""
        return "the challenge for \(shown)\(more) could not be answered: \(reason)"
    }
}
