package import PKI

/// Answers one type of challenge: shows the key authorization where the CA will look for it, and takes it away again.
package protocol ChallengeResponder: Sendable {
    /// The challenge's type, such as `http-01`.
    var challengeType: String { get }

    /// Shows the answer.
    func present(token: String, keyAuthorization: String, for name: SubjectName) async throws

    /// Takes the answer away; called once for each that was presented, also after a failure.
    func cleanUp(token: String, for name: SubjectName) async
}
