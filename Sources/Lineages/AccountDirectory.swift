/// What is known of the accounts of a config directory without asking a CA.
extension AccountStore {
    /// The directory URLs of the CAs that there are accounts for, sorted.
    ///
    /// - Throws: a directory that cannot be read; one that is missing has none.
    package func servers() throws(AccountError) -> [String] {
        var servers: [String] = []
        try collect(root, depth: 0, into: &servers)
        return servers.sorted()
    }

    /// CAs' paths have two or three parts.
    private static let deepest = 8

    private func collect(_ directory: String, depth: Int, into servers: inout [String]) throws(AccountError) {
        guard depth < AccountStore.deepest else { return }
        if depth > 0, !(try wholeAccounts(in: directory)).isEmpty {
            servers.append("https://" + directory.dropFirst(root.utf8.count + 1))
        }
        let names: [String]
        do throws(FileError) {
            names = try FileSystem.entries(of: directory)
        } catch {
            if error.isNotFound { return }
            throw .unusable(path: directory, reason: error.cause)
        }
        for name in names.sorted() {
            let path = "\(directory)/\(name)"
            // certbot links the directory of ACMEv2 to that of ACMEv1.
            guard (try? FileSystem.status(path, followingLinks: true))?.kind == .directory,
                (try? FileSystem.status("\(path)/private_key.json")) == nil
            else { continue }
            try collect(path, depth: depth + 1, into: &servers)
        }
    }

    /// Moves an account that the CA does not take any more out of the config directory, where certbot and certctl would go on to
    /// find it. Its key stays.
    ///
    /// - Parameter directory: where it goes: below it, as it was below `accounts`.
    /// - Returns: where it is then.
    package func retire(_ id: String, of server: String, to directory: String) throws -> String {
        let files = ["private_key.json", "meta.json", "regr.json"]
        for source in try directories(for: server) where try wholeAccounts(in: source).contains(id) {
            let target = "\(directory)/\(source.dropFirst(root.utf8.count + 1))/\(id)"
            try FileSystem.makeDirectories(target, mode: 0o700)
            // A copy: the state may be on another file system.
            for file in files {
                let bytes = try FileSystem.read("\(source)/\(id)/\(file)")
                try NewFile("\(target)/\(file)", bytes, mode: file == "private_key.json" ? 0o400 : 0o600).commit()
            }
            // Without this one it is no account any more.
            for file in files.reversed() { try FileSystem.remove("\(source)/\(id)/\(file)") }
            try FileSystem.removeDirectory("\(source)/\(id)")
            return target
        }
        throw AccountError.missing(id: id, directory: try self.directory(for: server))
    }
}

/// What a lineage is renewed with.
package struct AccountUse: Sendable {
    let lineage: String
    let server: String
    let account: String?
}

extension [AccountUse] {
    /// The lineages that are renewed with an account: whose renewal config names it, or none where it is the CA's only one.
    package func lineages(using id: String, at server: String, isOnly: Bool) -> [String] {
        filter { $0.server == server && ($0.account.map { $0 == id } ?? isOnly) }.map(\.lineage)
    }
}

extension Tree {
    /// Which account each lineage is renewed with.
    package func accountUses() throws(Failure) -> [AccountUse] {
        try mapLineages { lineage -> AccountUse? in
            lineage.options.map { AccountUse(lineage: lineage.name, server: $0.server, account: $0.account) }
        }.compactMap(\.self)
    }

    /// Writes another account into the renewal config of every lineage of a CA that names one of `old`, or one that does not
    /// exist. Everything else in the files stays as it is.
    ///
    /// - Parameter accounts: the CA's accounts that exist.
    /// - Returns: the names of the lineages that were changed.
    package func replaceAccounts(
        _ old: Set<String>, at server: String, by id: String, existing accounts: Set<String>
    ) throws -> [String] {
        var changed: [String] = []
        for lineage in try lineages() {
            guard lineage.options?.server == server, var conf = lineage.conf,
                case .string(let named)? = conf.value("account", in: ["renewalparams"]), named != id,
                old.contains(named) || !accounts.contains(named),
                let status = try FileSystem.status(lineage.confPath, followingLinks: true)
            else { continue }
            try conf.set("account", to: .string(id), in: ["renewalparams"])
            try NewFile(
                FileSystem.resolved(lineage.confPath), conf.bytes, mode: status.mode, owner: status.owner,
                group: status.group
            ).commit()
            changed.append(lineage.name)
        }
        return changed
    }
}
