package import ACME
package import PKI

/// Answers http-01 by a rule of the web server, which knows the account's thumbprint: there is nothing to present.
package struct StatelessSolver: ChallengeSolver {
    package init() {}

    package func challengeType(for name: SubjectName) -> String? { name.isWildcard ? nil : "http-01" }

    package func present(_ challenges: [PendingChallenge]) async throws {}

    package func cleanUp(_ challenges: [PendingChallenge]) async {}

    /// The location of nginx that answers `TOKEN.THUMBPRINT` for every token (RFC 8555 §8.3).
    ///
    /// - Parameter thumbprint: of the account's key (RFC 7638), in base64url.
    package static func nginxLocation(thumbprint: String) -> String {
        #"""
        location ~ "^/\.well-known/acme-challenge/([-_a-zA-Z0-9]+)$" {
            default_type text/plain;
            return 200 "$1.\#(thumbprint)";
        }

        """#
    }
}
