package import ACME
import FoundationEssentials
package import HTTP
package import Lineages
import PKI

/// The CAs of a run: one conversation each, however many lineages they serve.
package actor CertificateAuthorities {
    private let accounts: AccountStore
    private let transport: any HTTPTransport
    private let observe: @Sendable (Exchange) -> Void
    private var sessions: [String: Session] = [:]
    /// What kept a CA from being talked to at all: the next lineage need not wait for the same.
    private var failures: [String: ACMEError] = [:]

    package init(
        accounts: AccountStore, transport: any HTTPTransport, observe: @escaping @Sendable (Exchange) -> Void
    ) {
        (self.accounts, self.transport, self.observe) = (accounts, transport, observe)
    }

    /// The conversation with a CA, begun by its directory.
    ///
    /// - Throws: what went wrong when the CA was first asked; it is not asked again in this run.
    package func session(for server: String) async throws(ACMEError) -> Session {
        if let failure = failures[server] { throw failure }
        let session = sessions[server] ?? Session(server: server, transport: transport, observe: observe)
        sessions[server] = session
        do throws(ACMEError) {
            _ = try await session.fetchDirectory()
        } catch {
            if case .cancelled = error { throw error }
            failures[server] = error
            throw error
        }
        return session
    }

    /// The client of the account that a lineage was renewed with before.
    ///
    /// - Parameter id: the account that its conf names; without it, the only one that the tree has for the CA.
    package func client(for server: String, account id: String?) async throws -> Client {
        guard let account = try accounts.account(for: server, id: id) else {
            throw NoAccount(server: server)
        }
        return Client(session: try await session(for: server), key: account.key, accountURL: account.url)
    }

    /// An account at a CA, and whether it was made just now.
    package struct Registration: Sendable {
        package let id: String
        package let client: Client
        package let isNew: Bool
    }

    /// The tree's account at a CA, or a new one, which is kept before anything is ordered with it.
    ///
    /// - Parameters:
    ///   - id: the account that the operator or a conf names; without it, the only one that the tree has for the CA.
    ///   - email: where the CA may write to, for a new one.
    ///   - agreeToTerms: whether a new one may be made.
    ///   - host: this host's name, for certbot's records.
    package func registration(
        at server: String, account id: String?, email: String?, agreeToTerms: Bool, host: String
    ) async throws -> Registration {
        if let stored = try accounts.account(for: server, id: id) {
            let client = Client(session: try await session(for: server), key: stored.key, accountURL: stored.url)
            return Registration(id: stored.id, client: client, isNew: false)
        }
        let key = try PrivateKey(generating: .rsa(bits: 2048))
        let client = try await Client.register(
            session: try await session(for: server), key: key, email: email, agreeToTerms: agreeToTerms)
        let stored = try accounts.save(
            key: key, url: client.accountURL, server: server, creationDate: Date.now.formatted(.iso8601), host: host)
        return Registration(id: stored.id, client: client, isNew: true)
    }

    /// The tree has no account for the CA of a lineage.
    package struct NoAccount: Error, Sendable, CustomStringConvertible {
        let server: String

        package var description: String {
            "no account exists for \(server): certctl account register makes one, and so does certctl issue"
        }
    }
}
