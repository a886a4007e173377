import ACME
import ArgumentParser
import FoundationEssentials
import Lineages
import PKI
import Renewal
import Text

/// `certctl account register`: an account that the CA takes, whatever is there now.
struct AccountRegister: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Make an account, or replace one that the CA does not take any more.",
        discussion: """
            Where the config directory has an account that the CA takes, nothing is made. Certificates whose renewal \
            config names an account that is gone use the new one. An account that the CA has forgotten is made again with \
            its key.
            """)

    @OptionGroup var options: AccountOptions
    @OptionGroup var binding: BindingOptions

    @Option(name: .long, help: "Where the CA may write to; several with commas between them.")
    var email: String?

    @Flag(name: .long, help: "Agree to the CA's terms of service.")
    var agreeTos = false

    @Option(
        name: .long, help: "The account key: ecdsa (the default, on P-256), p384, rsa (2048 bits), rsa3072 or rsa4096.",
        completion: .list(["ecdsa", "p384", "rsa", "rsa3072", "rsa4096"]), transform: IssueCommand.keyType)
    var keyType: KeyType = .ec(.p256)

    func run() async throws {
        let binding = try binding.binding()
        let place = try AccountPlace(options)
        let email = try AccountRegister.checked(email ?? place.tree.defaults.value("email"))
        try AccountRegister.makeTree(place.tree)
        let lock = try RunLock.take(place.tree, state: options.tree.statePath)
        try await AccountRegister.noting(place.server, StateStore(stateDirectory: options.tree.statePath)) {
            let ids = try place.store.ids(for: place.server)
            var (valid, deactivated): ([String], [String]) = ([], [])
            var unknown: [StoredAccount] = []
            for id in ids {
                guard let account = try place.store.account(for: place.server, id: id) else { continue }
                switch try await place.client(account).standing() {
                case .valid: valid.append(id)
                case .deactivated: deactivated.append(id)
                case .unknown: unknown.append(account)
                }
            }
            if let named = options.account, !ids.contains(named) {
                throw AccountError.missing(id: named, directory: try place.store.directory(for: place.server))
            }
            let current: String
            if let id = options.account.flatMap({ valid.contains($0) ? $0 : nil }) ?? valid.first {
                StandardStreams.print(line: "there is an account at \(place.server.plain): \(id.plain)")
                current = id
            } else {
                // Its key, and so its id, stay: no renewal config has to change.
                let forgotten = unknown.first { $0.id == options.account } ?? unknown.first
                let key = try forgotten?.key ?? PrivateKey(generating: keyType)
                current = try await register(place, key, email, binding)
                StandardStreams.print(line: "made an account at \(place.server.plain): \(current)")
            }
            let dead = Set(deactivated + unknown.map(\.id)).subtracting([current])
            try replace(dead, by: current, place, existing: Set(ids).union([current]))
        }
        withExtendedLifetime(lock) {}
        try StandardStreams.finishOutput()
    }

    private func register(
        _ place: AccountPlace, _ key: PrivateKey, _ email: String?, _ binding: ExternalAccountBinding?
    ) async throws -> String {
        let agrees = try await agreesToTerms(place)
        let client = try await Client.register(
            session: place.session, key: key, email: email, agreeToTerms: agrees, binding: binding)
        return try place.store.save(
            key: key, url: client.accountURL, server: place.server, creationDate: Date.now.formatted(.iso8601),
            host: HostName.current
        ).id
    }

    /// Notes how it ends, for doctor: the CA's refusal is not cured by the same command.
    private static func noting(_ server: String, _ store: StateStore, _ body: () async throws -> Void) async throws {
        do {
            try await body()
            try? store.note(nil, ofRegistrationAt: server)
        } catch {
            if error is ACMEError {
                try? store.note(RegistrationFailure(at: Date.now, Cause(error)), ofRegistrationAt: server)
            }
            try await AccountPlace.asking { throw error }
        }
    }

    /// The terms are shown before anybody agrees to them.
    private func agreesToTerms(_ place: AccountPlace) async throws -> Bool {
        guard let terms = try await place.session.fetchDirectory().meta?.termsOfService else { return true }
        let isAgreed = try place.tree.defaults.flag("agree_tos") == true
        StandardError.write(line: "terms of service: \(terms)", .info)
        if agreeTos || isAgreed { return true }
        guard StandardError.canAsk else {
            throw ACMEError.termsNotAgreed(server: place.server, terms: terms)
        }
        guard StandardError.ask("Do you agree to them? [y/N] ") else {
            throw CommandFailure(.failed, "there is no account without an agreement to the terms: nothing was made")
        }
        return true
    }

    /// Puts the account in the place of those that the CA does not take.
    private func replace(_ dead: Set<String>, by id: String, _ place: AccountPlace, existing: Set<String>) throws {
        let changed = try place.tree.replaceAccounts(dead, at: place.server, by: id, existing: existing)
        if !changed.isEmpty {
            StandardStreams.print(line: "it is the account of \(changed.joined(separator: ", ")) now")
        }
        for old in dead.sorted() {
            let path = try place.store.retire(old, of: place.server, to: "\(options.tree.statePath)/deleted/accounts")
            StandardStreams.print(line: "the CA does not take \(old.plain) any more: it was moved to \(path.plain)")
        }
        if let named = place.tree.defaults.value("account"), named != id, !existing.subtracting(dead).contains(named) {
            StandardError.write(
                line: "cli.ini names the account \(named), which is gone: set account = \(id) there", .warning)
        }
    }

    private static func checked(_ email: String?) throws -> String? {
        guard let email else { return nil }
        for address in Contacts.addresses(email) where !Contacts.isAddress(address) {
            throw CommandFailure(.usage, "\(address) is not a mail address", next: "give one as name@example.org")
        }
        return email
    }

    private static func makeTree(_ tree: Tree) throws {
        try AccountPlace.failing {
            guard try FileSystem.status(tree.path, followingLinks: true) == nil else { return }
            try FileSystem.makeDirectories(tree.path, mode: 0o755)
        }
    }
}

/// What a CA gives to its customers for their accounts (RFC 8555 §7.3.4).
struct BindingOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("The key identifier of external account binding.", valueName: "id"))
    var eabKid: String?

    @Option(
        name: .long, help: ArgumentHelp("A file with its HMAC key, in base64url.", valueName: "file"),
        completion: .file())
    var eabHmacKeyFile: OperatorPath?

    @Option(
        name: .long, help: "Its algorithm: HS256 (the default), HS384 or HS512.",
        completion: .list(["HS256", "HS384", "HS512"]))
    var eabHmacAlg = "HS256"

    /// More than a key of 64 bytes in base64url with line breaks around it is a wrong file.
    private static let largestFile = 4_096

    func binding() throws -> ExternalAccountBinding? {
        guard eabKid != nil || eabHmacKeyFile != nil else { return nil }
        guard let eabKid, let file = eabHmacKeyFile?.text else {
            throw CommandFailure(.usage, "--eab-kid and --eab-hmac-key-file belong together: give both")
        }
        guard let algorithm = ExternalAccountBinding.Algorithm(rawValue: eabHmacAlg.uppercased()) else {
            throw CommandFailure(
                .usage, "\(eabHmacAlg) is not an algorithm of external account binding: HS256, HS384 or HS512")
        }
        let bytes = try AccountPlace.failing { try FileSystem.read(file, limit: BindingOptions.largestFile) }
        guard
            let binding = ExternalAccountBinding(
                keyIdentifier: eabKid, key: String(decoding: bytes, as: UTF8.self), algorithm: algorithm)
        else {
            throw CommandFailure(
                .failed, "\(file) holds no HMAC key in base64url", next: "copy it from the CA's page again")
        }
        return binding
    }
}
