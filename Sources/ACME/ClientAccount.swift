import HTTP
package import PKI

/// The account itself: made, looked up, changed, ended (RFC 8555 §7.3).
extension Client {
    /// Makes an account (RFC 8555 §7.3); a key that has one already gets that one.
    ///
    /// - Parameters:
    ///   - email: where the CA may write to, several with commas between them; not every CA keeps it.
    ///   - agreeToTerms: without it, a CA that has terms gives only an account that exists; that there is none is
    ///     ``ACMEError/termsNotAgreed(server:terms:)``.
    ///   - binding: what the CA has given to its customer, where it makes accounts for customers only.
    package static func register(
        session: Session, key: PrivateKey, email: String?, agreeToTerms: Bool,
        binding: ExternalAccountBinding? = nil
    ) async throws(ACMEError) -> Client {
        let directory = try await session.fetchDirectory()
        if !agreeToTerms, let terms = directory.meta?.termsOfService {
            do throws(ACMEError) {
                return try await existing(session: session, key: key)
            } catch {
                guard error.isUnknownAccount else { throw error }
                throw .termsNotAgreed(server: session.server, terms: terms)
            }
        }
        if directory.meta?.externalAccountRequired == true, binding == nil {
            throw .externalAccountRequired(server: session.server)
        }
        let contacts = Contacts.addresses(email ?? "")
        let bound = try signing { () throws(PKIError) in
            try binding?.jws(for: key, url: directory.newAccount)
        }
        let request = NewAccount(
            contact: contacts.isEmpty ? nil : Contacts.urls(contacts), termsOfServiceAgreed: agreeToTerms ? true : nil,
            externalAccountBinding: bound)
        return try await newAccount(request, session: session, key: key, url: directory.newAccount)
    }

    /// Finds the account of a key (RFC 8555 §7.3.1).
    package static func existing(session: Session, key: PrivateKey) async throws(ACMEError) -> Client {
        let url = try await session.fetchDirectory().newAccount
        return try await newAccount(NewAccount(onlyReturnExisting: true), session: session, key: key, url: url)
    }

    private static func newAccount(
        _ request: NewAccount, session: Session, key: PrivateKey, url: String
    ) async throws(ACMEError) -> Client {
        let response = try await session.post(url, request, signedBy: key)
        let location = try ServerURL.location(response.headers["Location"], of: "account", from: url)
        return Client(session: session, key: key, accountURL: location)
    }

    /// The account's status at the CA, such as `valid` or `deactivated` (RFC 8555 §7.1.2).
    package func status() async throws(ACMEError) -> String { try await account().status }

    /// The account as the CA has it.
    package func account() async throws(ACMEError) -> AccountObject {
        try await post(accountURL).decode(AccountObject.self, from: accountURL)
    }

    /// How the account stands. RFC 8555 §7.3.6 has a CA refuse whatever a deactivated account asks for.
    ///
    /// - Throws: what kept the CA from saying it.
    package func standing() async throws(ACMEError) -> AccountStanding {
        do throws(ACMEError) {
            let account = try await account()
            return account.status == "valid" ? .valid(account) : .deactivated
        } catch {
            switch error {
            case .unknownAccount: return .unknown
            case .refused(let problem, _) where problem.type == "unauthorized":
                guard try await isUsable() else { return .deactivated }
                throw error
            default: throw error
            }
        }
    }

    /// Whether the CA says of the key that its account is valid: then something else was unauthorized.
    private func isUsable() async throws(ACMEError) -> Bool {
        let url = try await session.fetchDirectory().newAccount
        do throws(ACMEError) {
            let request = NewAccount(onlyReturnExisting: true)
            let response = try await session.post(url, request, signedBy: key)
            return try response.decode(AccountObject.self, from: url).status == "valid"
        } catch {
            guard case .refused(let problem, _) = error, !problem.isTemporary else { throw error }
            return false
        }
    }

    /// Sets where the CA may write to; none takes all away (RFC 8555 §7.3.2).
    package func update(contacts: [String]) async throws(ACMEError) -> AccountObject {
        let change = AccountChange(contact: Contacts.urls(contacts))
        return try await post(accountURL, change).decode(AccountObject.self, from: accountURL)
    }

    /// Ends the account for good: the CA takes nothing more that it signs, and what it got cannot be revoked with it
    /// (RFC 8555 §7.3.6).
    package func deactivate() async throws(ACMEError) {
        _ = try await post(accountURL, AccountChange(status: "deactivated"))
    }
}
