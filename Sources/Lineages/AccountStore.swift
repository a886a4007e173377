import FoundationEssentials
package import PKI

/// An ACME account as certbot keeps it: `accounts/<host>/<path>/<id>/`.
package struct StoredAccount: Sendable {
    /// The directory's name, which confs refer to: the MD5 of the public key's PEM.
    package let id: String
    /// The account's URL at the CA, the `kid` of every request (RFC 8555 §7.3).
    package let url: String
    /// The account key.
    package let key: PrivateKey
    /// When and on which host it was made, where `meta.json` says so.
    package var made: (at: String, host: String)?
}

/// Why an account cannot be used.
package enum AccountError: Error, Sendable, CustomStringConvertible {
    /// A conf names an account that is not in the tree.
    case missing(id: String, directory: String)
    /// There are several, and nothing says which one is meant.
    case ambiguous(ids: [String], server: String)
    /// A file is missing, unreadable or malformed.
    case unusable(path: String, reason: String)
    /// The server is not an https URL.
    case badServer(String)

    package var description: String {
        switch self {
        case .missing(let id, let directory): "account \(id) is not in \(directory)"
        case .ambiguous(let ids, let server):
            "there are \(ids.count) accounts for \(server): choose one with --account \(ids.joined(separator: " | "))"
        case .unusable(let path, let reason): "\(path): \(reason)"
        case .badServer(let server): "\(server) is not the https URL of an ACME directory"
        }
    }
}

/// The accounts of a tree, in certbot's format.
package struct AccountStore: Sendable {
    let root: String

    package init(configDirectory: String) { root = configDirectory + "/accounts" }

    /// The directory of a server's accounts: host, port and path of the directory URL.
    package func directory(for server: String) throws(AccountError) -> String {
        guard server.hasPrefix("https://"), case let rest = server.dropFirst("https://".count),
            !rest.isEmpty, !rest.hasPrefix("/"), !rest.contains("?"), !rest.contains("#"),
            // The URL becomes a path: a component must not lead out of it.
            !rest.split(separator: "/").contains(where: { $0 == "." || $0 == ".." || $0.contains("\0") })
        else { throw .badServer(server) }
        return root + "/" + rest.split(separator: "/").joined(separator: "/")
    }

    /// The ids of a server's accounts that are whole: all three files are there.
    ///
    /// Accounts of Let's Encrypt's ACMEv1 servers, if there are no others, are those of its ACMEv2 servers.
    package func ids(for server: String) throws(AccountError) -> [String] {
        for directory in try directories(for: server) {
            let ids = try wholeAccounts(in: directory)
            if !ids.isEmpty { return ids }
        }
        return []
    }

    /// Loads an account.
    ///
    /// - Parameter id: the account that a conf or an operator names; without it the server's only one, nil if there is none.
    package func account(for server: String, id: String?) throws(AccountError) -> StoredAccount? {
        let directories = try directories(for: server)
        if let id {
            let isName = !id.isEmpty && !id.contains("/") && id != "." && id != ".." && !id.contains("\0")
            for directory in directories where isName {
                if (try? FileSystem.status("\(directory)/\(id)", followingLinks: true))?.kind == .directory {
                    return try load(id, in: directory)
                }
            }
            throw .missing(id: id, directory: directories[0])
        }
        for directory in directories {
            let ids = try wholeAccounts(in: directory)
            guard ids.count <= 1 else { throw .ambiguous(ids: ids, server: server) }
            if let only = ids.first { return try load(only, in: directory) }
        }
        return nil
    }

    /// Where a server's accounts may be, the first choice first; certbot looks there, too, and links the one to the other.
    func directories(for server: String) throws(AccountError) -> [String] {
        let directory = try directory(for: server)
        let previous = ["acme-v02.api.": "acme-v01.api.", "acme-staging-v02.api.": "acme-staging.api."]
        let suffix = "letsencrypt.org/directory"
        for (new, old) in previous where directory == "\(root)/\(new)\(suffix)" {
            return [directory, "\(root)/\(old)\(suffix)"]
        }
        return [directory]
    }

    func wholeAccounts(in directory: String) throws(AccountError) -> [String] {
        let names: [String]
        do throws(FileError) {
            names = try FileSystem.entries(of: directory)
        } catch {
            if error.isNotFound { return [] }
            // Not the same as none: a second account would be registered.
            throw .unusable(path: directory, reason: error.cause)
        }
        return names.filter { name in
            ["private_key.json", "regr.json", "meta.json"].allSatisfy { file in
                (try? FileSystem.status("\(directory)/\(name)/\(file)", followingLinks: true))?.kind == .file
            }
        }
    }

    /// Writes a new account, each directory 0700, as certbot does; the key is 0400.
    ///
    /// - Parameters:
    ///   - url: of one whose key is stored already, it takes the place of the old one.
    ///   - creationDate: RFC 3339 in UTC, for certbot's `meta.json`.
    ///   - host: this host's name, for the same.
    package func save(
        key: PrivateKey, url: String, server: String, creationDate: String, host: String
    ) throws -> StoredAccount {
        let id = try Digest.md5(key.publicKeyPEM()).hexadecimal
        let directory = try directory(for: server)
        var path = ""
        let configDirectory = FileSystem.directory(of: root) ?? "/"
        for component in "\(directory)/\(id)".dropFirst(configDirectory.count + 1).split(separator: "/") {
            path += "/" + component
            try FileSystem.makeDirectory(configDirectory + path, mode: 0o700)
            try FileSystem.sync(directory: FileSystem.directory(of: configDirectory + path) ?? "/")
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let meta = Meta(creation_dt: creationDate, creation_host: host)
        let files: [(name: String, bytes: Data, mode: UInt32)] = [
            ("private_key.json", try encoder.encode(PrivateJSONWebKey(key)), 0o400),
            ("meta.json", try encoder.encode(meta), 0o644),
            // Last, since an account counts only when all three are there.
            ("regr.json", try encoder.encode(Registration(uri: url)), 0o644),
        ]
        for file in files {
            try NewFile("\(directory)/\(id)/\(file.name)", Array(file.bytes), mode: file.mode).commit()
        }
        return StoredAccount(id: id, url: url, key: key)
    }

    private func load(_ id: String, in directory: String) throws(AccountError) -> StoredAccount {
        func decode<Value: Decodable>(_ type: Value.Type, _ file: String) throws(AccountError) -> Value {
            let path = "\(directory)/\(id)/\(file)"
            do {
                return try JSONDecoder().decode(type, from: Data(FileSystem.read(path)))
            } catch let error as FileError {
                throw .unusable(path: path, reason: error.cause)
            } catch {
                throw .unusable(path: path, reason: "it is not the JSON that certbot writes there")
            }
        }
        let registration = try decode(Registration.self, "regr.json")
        let jwk = try decode(PrivateJSONWebKey.self, "private_key.json")
        do {
            let meta = try? decode(Meta.self, "meta.json")
            return StoredAccount(
                id: id, url: registration.uri, key: try jwk.privateKey(),
                made: meta.map { ($0.creation_dt, $0.creation_host) })
        } catch {
            throw .unusable(path: "\(directory)/\(id)/private_key.json", reason: "\(error)")
        }
    }

    private struct Registration: Codable {
        struct Body: Codable {}
        /// Empty, and to be there, for certbot.
        var body: Body? = Body()
        var uri: String
    }

    private struct Meta: Codable {
        var creation_dt: String
        var creation_host: String
    }
}
